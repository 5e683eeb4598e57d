//! One process of a node: started with its configuration, killed, stopped, waited for.

use std::io;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use thiserror::Error;
use tokio::process::{Child, Command};

/// Why a node is not as wanted.
#[derive(Debug, Error)]
pub enum NodeError {
    /// A file or a process could not be handled.
    #[error("{what}: {cause}")]
    Io {
        /// What was tried.
        what: String,
        /// What the system says.
        cause: io::Error,
    },
    /// The process ended instead of becoming ready.
    #[error("{name} ended with {status}; the end of its log:\n{log}")]
    Ended {
        /// The node.
        name: String,
        /// How.
        status: String,
        /// The last lines it wrote.
        log: String,
    },
    /// The process runs but is not ready.
    #[error("{name} was not ready within {seconds} s; the end of its log:\n{log}")]
    NotReady {
        /// The node.
        name: String,
        /// How long was waited.
        seconds: u64,
        /// The last lines it wrote.
        log: String,
    },
}

impl NodeError {
    pub(crate) fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> NodeError {
        let what = what.into();
        move |cause| NodeError::Io { what, cause }
    }
}

/// A node of the cluster: its directory, its configuration file, and its process while it runs.
#[derive(Debug)]
pub struct Node {
    /// `fe`, `cn1` …
    pub name: String,
    /// Its directory.
    pub dir: PathBuf,
    /// Its configuration file.
    pub conf: PathBuf,
    /// Its HTTP port.
    pub http_port: u16,
    role: &'static str,
    binary: PathBuf,
    environment: Vec<(String, String)>,
    child: Option<Child>,
}

impl Node {
    /// A node that does not run yet; writes its configuration.
    pub fn new(
        binary: &Path,
        role: &'static str,
        name: &str,
        dir: PathBuf,
        http_port: u16,
        conf: &[(String, String)],
    ) -> Result<Node, NodeError> {
        let conf_dir = dir.join("conf");
        std::fs::create_dir_all(&conf_dir).map_err(NodeError::io(format!("create {}", conf_dir.display())))?;
        let path = conf_dir.join(format!("{role}.conf"));
        let text: String = conf.iter().map(|(k, v)| format!("{k} = {v}\n")).collect();
        std::fs::write(&path, text).map_err(NodeError::io(format!("write {}", path.display())))?;
        Ok(Node {
            name: name.to_owned(),
            dir,
            conf: path,
            http_port,
            role,
            binary: binary.to_owned(),
            environment: Vec::new(),
            child: None,
        })
    }

    /// Sets a variable of the environment for the starts to come.
    pub fn set_environment(&mut self, key: &str, value: &str) {
        self.environment.push((key.to_owned(), value.to_owned()));
    }

    /// Where what it prints goes.
    pub fn log(&self) -> PathBuf {
        self.dir.join(format!("{}.out", self.role))
    }

    /// Its process id while it runs.
    pub fn pid(&self) -> Option<u32> {
        self.child.as_ref().and_then(Child::id)
    }

    /// Starts the process. It dies with this value.
    pub fn start(&mut self, arguments: &[&str]) -> Result<(), NodeError> {
        let log = self.log();
        let open = std::fs::File::options().create(true).append(true).open(&log);
        let out = open.map_err(NodeError::io(format!("open {}", log.display())))?;
        let err = out.try_clone().map_err(NodeError::io("share the log"))?;
        let mut command = Command::new(&self.binary);
        command.arg(self.role).arg("--conf").arg(&self.conf).arg("--logconsole").args(arguments);
        command.envs(self.environment.iter().map(|(k, v)| (k, v)));
        command.env("STARKEEP_HOME", &self.dir);
        command.stdin(Stdio::null()).stdout(out).stderr(err).kill_on_drop(true);
        let child = command.spawn().map_err(NodeError::io(format!("start {}", self.binary.display())))?;
        self.child = Some(child);
        Ok(())
    }

    /// SIGKILL, and waits until the process is gone.
    pub async fn kill(&mut self) -> Result<(), NodeError> {
        if let Some(mut child) = self.child.take() {
            child.kill().await.map_err(NodeError::io(format!("kill {}", self.name)))?;
        }
        Ok(())
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) -> Result<(), NodeError> {
        let Some(pid) = self.pid() else { return Ok(()) };
        kill(Pid::from_raw(pid as i32), signal)
            .map_err(|e| NodeError::io(format!("signal {}", self.name))(io::Error::from(e)))
    }

    /// SIGTERM, and waits for the end; SIGKILL after `limit`. None: it had to be killed, or did not run.
    pub async fn stop(&mut self, limit: Duration) -> Result<Option<ExitStatus>, NodeError> {
        self.signal(Signal::SIGTERM)?;
        let Some(mut child) = self.child.take() else { return Ok(None) };
        match tokio::time::timeout(limit, child.wait()).await {
            Ok(status) => Ok(Some(status.map_err(NodeError::io(format!("wait for {}", self.name)))?)),
            Err(_) => {
                child.kill().await.map_err(NodeError::io(format!("kill {}", self.name)))?;
                Ok(None)
            }
        }
    }

    /// Waits until the process ends by itself.
    pub async fn wait(&mut self) -> Result<ExitStatus, NodeError> {
        match self.child.take() {
            Some(mut child) => child.wait().await.map_err(NodeError::io(format!("wait for {}", self.name))),
            None => Err(NodeError::io(format!("wait for {}", self.name))(io::Error::other("it does not run"))),
        }
    }

    /// The status, when the process has ended by itself.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.as_mut().and_then(|child| child.try_wait().ok().flatten())
    }

    /// The last lines that the process wrote.
    pub fn log_tail(&self, lines: usize) -> String {
        let text = std::fs::read_to_string(self.log()).unwrap_or_default();
        let all: Vec<&str> = text.lines().collect();
        all[all.len().saturating_sub(lines)..].join("\n")
    }

    /// Waits until `/api/health` answers 200.
    pub async fn ready(&mut self, limit: Duration) -> Result<(), NodeError> {
        let deadline = tokio::time::Instant::now() + limit;
        loop {
            if let Some(status) = self.ended() {
                let (name, log) = (self.name.clone(), self.log_tail(20));
                return Err(NodeError::Ended { name, status: status.to_string(), log });
            }
            if crate::http::get(self.http_port, "/api/health").await.is_ok_and(|(status, _)| status == 200) {
                return Ok(());
            }
            if tokio::time::Instant::now() > deadline {
                let (name, log) = (self.name.clone(), self.log_tail(20));
                return Err(NodeError::NotReady { name, seconds: limit.as_secs(), log });
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

//! Whole files: what StarRocks' users have loads unchanged, and what is wrong is said once, with its place.

use std::path::{Path, PathBuf};

use storage_model::{Kind, VolumeType};

use super::*;

/// fe.conf of the Helm values that StarRocks' users restore with.
const HELM_FE: &str = r#"LOG_DIR = ${STARROCKS_HOME}/log
DATE = "$(date +%Y%m%d-%H%M%S)"
JAVA_OPTS="-Dlog4j2.formatMsgNoLookups=true -Xmx8192m -XX:+UseG1GC -Xlog:gc*:${LOG_DIR}/fe.gc.log.$DATE:time -XX:ErrorFile=${LOG_DIR}/hs_err_pid%p.log -Djava.security.policy=${STARROCKS_HOME}/conf/udf_security.policy"
http_port = 8030
rpc_port = 9020
query_port = 9030
edit_log_port = 9010
mysql_service_nio_enabled = true
sys_log_level = INFO
run_mode = shared_data
cloud_native_meta_port = 6090
enable_load_volume_from_conf = true
cloud_native_storage_type = S3
aws_s3_path = xxx
aws_s3_region = xxx
aws_s3_endpoint = xxx
aws_s3_access_key = xxx
aws_s3_secret_key = xxx
# we add this configuration because we want to get cluster snapshot quickly
automated_cluster_snapshot_interval_seconds = 60
"#;

/// cn.conf of the same.
const HELM_CN: &str = "sys_log_level = INFO
# ports for admin, web, heartbeat service
thrift_port = 9060
webserver_port = 8040
heartbeat_service_port = 9050
brpc_port = 8060
";

/// A directory with a configuration file in its `conf`.
struct Installed {
    directory: tempfile::TempDir,
    file: PathBuf,
}

fn installed(name: &str, text: &str) -> Installed {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("conf").join(name);
    std::fs::create_dir(directory.path().join("conf")).unwrap();
    std::fs::write(&file, text).unwrap();
    Installed { directory, file }
}

fn variables(pairs: &[(&str, &str)]) -> Variables {
    pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
}

fn frontend_in(text: &str, env: &[(&str, &str)]) -> Result<(FrontendConfig, Vec<String>), String> {
    let at = installed("fe.conf", text);
    let place = format!("{}/conf/", at.directory.path().display());
    match FrontendConfig::load_with(Some(&at.file), &variables(env)) {
        Ok((config, warnings)) => Ok((config, warnings.iter().map(|w| w.to_string().replace(&place, "")).collect())),
        Err(error) => {
            assert_eq!(error.kind(), Kind::Invalid, "{error}");
            Err(error.to_string().replace(&place, ""))
        }
    }
}

fn frontend(text: &str) -> FrontendConfig {
    frontend_in(text, &[]).unwrap().0
}

fn refusal(text: &str) -> String {
    frontend_in(text, &[]).unwrap_err()
}

fn compute(text: &str) -> (ComputeConfig, Vec<String>) {
    let at = installed("cn.conf", text);
    let (config, warnings) = ComputeConfig::load_with(Some(&at.file), &Variables::new()).unwrap();
    (config, warnings.iter().map(Warning::to_string).collect())
}

#[test]
fn defaults_are_those_of_starrocks() {
    let (fe, warnings) = FrontendConfig::load_with(None, &variables(&[("STARKEEP_HOME", "/opt/sk")])).unwrap();
    assert!(warnings.is_empty());
    assert_eq!(fe.ports().map(|(_, port)| port), [8030, 9020, 9030, 9010, 6090]);
    assert_eq!(fe.meta_dir, Path::new("/opt/sk/meta"));
    assert_eq!((fe.sys_log_dir.as_path(), fe.sys_log_level), (Path::new("/opt/sk/log"), LogLevel::Info));
    assert_eq!(fe.automated_cluster_snapshot_interval_seconds, 600);
    assert_eq!(fe.max_historical_automated_cluster_snapshot_jobs, 100);
    assert_eq!(fe.automated_cluster_snapshot_timeout_seconds, 3600);
    assert_eq!((fe.lake_autovacuum_grace_period_minutes, fe.catalog_trash_expire_second), (30, 86400));
    assert_eq!((fe.edit_log_roll_num, fe.qe_max_connection), (50000, 4096));
    assert_eq!(fe.snapshot_plan(), Path::new("/opt/sk/conf/cluster_snapshot.yaml"));
    assert_eq!(builtin_volume(&fe), None);
    let (cn, _) = ComputeConfig::load_with(None, &variables(&[("STARKEEP_HOME", "/opt/sk")])).unwrap();
    assert_eq!(cn.ports().map(|(_, port)| port), [9060, 8040, 9050, 8060, 9070]);
    assert_eq!(cn.storage_root_path.0[0].path, Path::new("/opt/sk/storage"));
    assert_eq!(cn.mem_limit, MemLimit::Percent(90));
}

#[test]
fn the_helm_values_load_unchanged() {
    let (config, warnings) = frontend_in(HELM_FE, &[]).unwrap();
    let one =
        ["fe.conf: upper-case keys are for StarRocks' scripts and its JVM; ignored here: DATE, JAVA_OPTS, LOG_DIR"];
    assert_eq!(warnings, one);
    assert_eq!(config.automated_cluster_snapshot_interval_seconds, 60);
    let volume = builtin_volume(&config).unwrap();
    assert_eq!((volume.name.as_str(), volume.volume_type), ("builtin_storage_volume", VolumeType::S3));
    assert_eq!((volume.location.as_str(), volume.enabled), ("s3://xxx", true));
    let properties: Vec<_> = volume.properties.iter().map(|(k, v)| format!("{k}={v}")).collect();
    assert_eq!(
        properties,
        [
            "aws.s3.access_key=xxx",
            "aws.s3.endpoint=xxx",
            "aws.s3.region=xxx",
            "aws.s3.secret_key=xxx",
            "aws.s3.use_aws_sdk_default_behavior=false",
            "aws.s3.use_instance_profile=false"
        ]
    );
    let (config, warnings) = compute(HELM_CN);
    assert!(warnings.is_empty(), "{warnings:?}");
    assert_eq!((config.be_port, config.be_http_port, config.starlet_port), (9060, 8040, 9070));
}

#[test]
fn our_own_files_load_without_a_word() {
    let fe = include_str!("../../../../conf/fe.conf");
    let (config, warnings) = frontend_in(fe, &[]).unwrap();
    assert!(warnings.is_empty(), "{warnings:?}");
    let volume = builtin_volume(&config).unwrap();
    assert_eq!(volume.volume_type, VolumeType::Local);
    assert_eq!(volume.location, format!("file://{}/data", config.home.display()));
    let cn = include_str!("../../../../conf/cn.conf");
    let (_, warnings) = compute(cn);
    assert!(warnings.is_empty(), "{warnings:?}");
    // What a comment gives as a default is the default: with all of them in force nothing changes.
    let home = [("STARKEEP_HOME", "/h")];
    let entries = |text: &str| frontend_in(text, &home).unwrap().0.entries();
    assert_eq!(entries(&uncommented(fe)), entries(fe));
    let entries = |text: &str| {
        let at = installed("cn.conf", text);
        ComputeConfig::load_with(Some(&at.file), &variables(&home)).unwrap().0.entries()
    };
    assert_eq!(entries(&uncommented(cn)), entries(cn));
    for (text, keys) in [(fe, FrontendConfig::default().entries()), (cn, ComputeConfig::default().entries())] {
        for entry in keys {
            assert!(text.contains(&format!("{} =", entry.key)), "{} is not documented", entry.key);
        }
    }
}

/// `# key = value` without its hash, where the value is not empty and not an example (`# e.g. key = value`).
fn uncommented(text: &str) -> String {
    let line = |line: &str| match line.strip_prefix("# ") {
        Some(rest) if rest.split_once(" = ").is_some_and(|(key, _)| !key.contains([' ', '.'])) => rest.to_owned(),
        _ => line.to_owned(),
    };
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_environment_wins() {
    let env = [
        ("STARKEEP_QUERY_PORT", "19030"),
        ("STARKEEP_HTTP_PORT", ""),
        ("STARKEEP_HOME", "/h"),
        ("STARKEEP_E2E", "1"),
        ("STARKEEP_BRPC_PORT", "1"),
        ("STARKEEP_QEURY_PORT", "1"),
        ("QUERY_PORT", "2"),
        ("SECRET", "hush"),
    ];
    let text = "query_port = 9031\nhttp_port = 8031\naws_s3_secret_key = ${SECRET}\nmeta_dir = ${STARKEEP_HOME}/m\n";
    let (config, warnings) = frontend_in(text, &env).unwrap();
    assert_eq!((config.query_port, config.http_port), (19030, 8031));
    assert_eq!(config.aws_s3_secret_key.as_deref(), Some("hush"));
    assert_eq!(config.meta_dir, Path::new("/h/m"));
    assert_eq!(warnings, ["environment: variables that name no key: STARKEEP_QEURY_PORT"]);
    let error = frontend_in(text, &[("STARKEEP_QUERY_PORT", "x"), ("SECRET", "")]).unwrap_err();
    let expected = "environment variable STARKEEP_QUERY_PORT: query_port = x: must be a port number from 1 to 65535";
    assert_eq!(error, expected);
    let alias = variables(&[
        ("STARKEEP_THRIFT_PORT", "19060"),
        ("STARKEEP_WEBSERVER_PORT", "1"),
        ("STARKEEP_BE_HTTP_PORT", "2"),
    ]);
    let (cn, warnings) = ComputeConfig::load_with(None, &alias).unwrap();
    assert_eq!((cn.be_port, cn.be_http_port, warnings.len()), (19060, 2, 0));
}

#[test]
fn a_wrong_value_is_one_clear_line() {
    let port = "must be a port number from 1 to 65535";
    assert_eq!(refusal("# c\nquery_port = abc"), format!("fe.conf:2: query_port = abc: {port}"));
    assert_eq!(refusal("query_port = 70000"), format!("fe.conf:1: query_port = 70000: {port}"));
    assert_eq!(refusal("\nhttp_port 8030"), "fe.conf:2: expected `key = value`, found `http_port 8030`");
    assert_eq!(refusal("http_port = 9030"), "fe.conf: http_port and query_port are both 9030");
    assert!(refusal("run_mode = shared_nothing").contains("use shared_data"));
    assert!(refusal("cloud_native_storage_type = TAPE").ends_with("must be one of S3, LOCAL, AZBLOB, ADLS2, GS, HDFS"));
    assert!(refusal("priority_networks = 10.0.0/8").contains("`10.0.0/8` is no network"));
    assert!(refusal("automated_cluster_snapshot_interval_seconds = 0").ends_with("must be at least 1"));
    assert!(refusal("enable_load_volume_from_conf = yes").ends_with("must be true or false"));
    assert!(refusal("meta_dir = ${NO_SUCH_THING}/meta").ends_with("there is no environment variable NO_SUCH_THING"));
    let missing = FrontendConfig::load_with(Some(Path::new("/no/such/fe.conf")), &Variables::new()).unwrap_err();
    assert_eq!(missing.kind(), Kind::NotFound);
    assert!(missing.to_string().contains("/no/such/fe.conf"));
}

#[test]
fn odd_keys_are_warned_of() {
    let text = "qurey_port = 1\nqe_max_connections = 1\ncolour = red\nmysql_service_nio_enabled = true\nhttps_port = 1\n\
                query_port = 9031\nquery_port = 9032\nmeta_dir = /m # c\n";
    let (config, warnings) = frontend_in(text, &[]).unwrap();
    assert_eq!(config.query_port, 9032);
    assert_eq!(
        warnings,
        [
            "fe.conf:1: unknown key qurey_port is ignored; did you mean query_port?",
            "fe.conf:2: unknown key qe_max_connections is ignored; did you mean qe_max_connection?",
            "fe.conf:3: unknown key colour is ignored",
            "fe.conf:7: query_port was already set at fe.conf:6; this line wins",
            "fe.conf:8: meta_dir: ` #` is part of the value; a comment stands on a line of its own",
        ]
    );
}

#[test]
fn a_builtin_volume_must_be_sound() {
    let base = "enable_load_volume_from_conf = true\n";
    assert!(refusal(base).starts_with("fe.conf: aws_s3_path is missing"));
    assert!(
        refusal(&format!("{base}cloud_native_storage_type = LOCAL")).starts_with("fe.conf: cloud_native_local_path is")
    );
    let half = refusal(&format!("{base}aws_s3_path = b\naws_s3_access_key = AKIA"));
    assert!(half.contains("builtin_storage_volume") && half.contains("secret_key"), "{half}");
    // Described, but not asked for.
    assert_eq!(builtin_volume(&frontend("aws_s3_path = b\naws_s3_access_key = AKIA")), None);
}

#[test]
fn locations_of_the_builtin_volume() {
    let s3 = |path: &str| {
        let text = format!(
            "enable_load_volume_from_conf = true\naws_s3_path = {path}\naws_s3_enable_path_style_access = true"
        );
        let volume = builtin_volume(&frontend(&text)).unwrap();
        assert_eq!(volume.properties["aws.s3.enable_path_style_access"], "true");
        volume.location
    };
    assert_eq!(s3("bucket/data/"), "s3://bucket/data");
    assert_eq!(s3("s3a://bucket"), "s3://bucket");
    let text =
        "enable_load_volume_from_conf = true\ncloud_native_storage_type = LOCAL\ncloud_native_local_path = /a b/c";
    assert_eq!(builtin_volume(&frontend(text)).unwrap().location, "file:///a%20b/c");
}

#[test]
fn secrets_never_print() {
    let text = "aws_s3_access_key = AKIA1\naws_s3_secret_key = hush";
    let config = frontend(text);
    let printed = format!("{config:?} {:?}", config.entries());
    assert!(!printed.contains("hush") && !printed.contains("AKIA1") && printed.contains("******"), "{printed}");
    let error = refusal("aws_s3_secret_key = hush${NO_SUCH_THING}");
    assert!(!error.contains("hush") && error.contains("NO_SUCH_THING"), "{error}");
    let unset = FrontendConfig::default().entries().into_iter().find(|entry| entry.key == "aws_s3_secret_key").unwrap();
    assert_eq!(unset.value, "");
}

#[test]
fn admin_show_and_set() {
    let mut config = FrontendConfig::default();
    let entry = |config: &FrontendConfig, key: &str| config.entries().into_iter().find(|e| e.key == key).unwrap();
    let run_mode = entry(&config, "run_mode");
    assert_eq!((run_mode.value.as_str(), run_mode.value_type, run_mode.mutable), ("shared_data", "String", false));
    let interval = "automated_cluster_snapshot_interval_seconds";
    assert_eq!((entry(&config, interval).value_type, entry(&config, interval).mutable), ("long", true));
    assert!(entry(&config, interval).comment.starts_with("Seconds from"), "{:?}", entry(&config, interval).comment);
    config.set(interval, "60").unwrap();
    assert_eq!(config.automated_cluster_snapshot_interval_seconds, 60);
    for (key, value) in [(interval, "0"), (interval, "x"), (interval, "")] {
        assert!(matches!(config.set(key, value), Err(SetError::Refused(_))), "{value}");
    }
    assert_eq!(config.automated_cluster_snapshot_interval_seconds, 60);
    for key in ["query_port", "colour"] {
        let error = config.set(key, "1").unwrap_err();
        assert_eq!(error.to_string(), format!("Config '{key}' does not exist or is not mutable"));
    }
    let be_port = ComputeConfig::default().entries().into_iter().find(|entry| entry.key == "be_port").unwrap();
    assert_eq!(be_port.aliases, ["thrift_port"]);
}

#[test]
fn tls_is_whole_or_absent() {
    assert_eq!(frontend("").tls_files(), None);
    let at = |name: &str| Path::new("/opt").join(name);
    let whole = "rpc_tls_certificate = /opt/a.pem\nrpc_tls_key = /opt/a.key\nrpc_tls_ca = /opt/ca.pem\n";
    let files = runtime_rpc::TlsFiles { certificate: at("a.pem"), key: at("a.key"), authority: at("ca.pem") };
    assert_eq!(frontend(whole).tls_files(), Some(files.clone()));
    assert_eq!(compute(whole).0.tls_files(), Some(files.clone()));
    for line in whole.lines() {
        let (key, half) = (line.split(' ').next().unwrap(), whole.replace(line, ""));
        let refused = refusal(&half);
        assert!(refused.contains(&format!("{key} is missing: TLS between nodes needs")), "{refused}");
    }
    let error = load_tls(Some(&files)).unwrap_err().to_string();
    assert!(error.starts_with("rpc_tls_certificate = /opt/a.pem: No such file"), "{error}");
    assert!(load_tls(None).unwrap().is_none());
}

#[test]
fn clients_have_a_certificate_and_a_key_or_neither() {
    assert!(load_client_tls(&frontend("")).unwrap().server.is_none());
    for (line, missing) in [
        ("mysql_tls_certificate = /opt/a.pem", "mysql_tls_key is missing: TLS for clients needs"),
        ("mysql_tls_key = /opt/a.key", "mysql_tls_certificate is missing: TLS for clients needs"),
        ("ssl_force_secure_transport = true", "needs mysql_tls_certificate and mysql_tls_key"),
    ] {
        let refused = refusal(line);
        assert!(refused.contains(missing), "{refused}");
    }
    let files = "mysql_tls_certificate = /opt/a.pem\nmysql_tls_key = /opt/a.key\n";
    let error = load_client_tls(&frontend(files)).unwrap_err().to_string();
    assert!(error.starts_with("mysql_tls_certificate = /opt/a.pem: No such file"), "{error}");
}

#[test]
fn the_collector_has_an_address() {
    let endpoint = frontend("otlp_exporter_grpc_endpoint = http://127.0.0.1:4317").otlp_endpoint;
    assert_eq!(endpoint.as_deref(), Some("http://127.0.0.1:4317"));
    for wrong in ["127.0.0.1:4317", "https://c:4317", "collector"] {
        let refused = refusal(&format!("otlp_endpoint = {wrong}"));
        assert!(refused.contains("expected http://host:port"), "{refused}");
    }
}

//! A cluster whose nodes talk over TLS, and nodes that do not belong to it; and clients over TLS.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, ensure};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair};
use tests::client::{has_mysql_command, same, until};
use tests::house::START;
use tests::{House, HouseSpec, QUICKSTART, e2e};

type Authority = CertifiedIssuer<'static, KeyPair>;

fn authority() -> anyhow::Result<Authority> {
    let mut params = CertificateParams::new(Vec::new())?;
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    Ok(CertifiedIssuer::self_signed(params, KeyPair::generate()?)?)
}

/// Writes certificate, key and authority of a node; gives its lines of configuration.
fn equip(directory: &Path, name: &str, by: &Authority) -> anyhow::Result<Vec<(String, String)>> {
    let mut params = CertificateParams::new(vec![name.to_owned()])?;
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    let key = KeyPair::generate()?;
    let certificate = params.signed_by(&key, by)?;
    std::fs::create_dir_all(directory)?;
    let files = [
        ("rpc_tls_certificate", format!("{name}.pem"), certificate.pem()),
        ("rpc_tls_key", format!("{name}.key"), key.serialize_pem()),
        ("rpc_tls_ca", format!("{name}-ca.pem"), by.pem()),
    ];
    files
        .into_iter()
        .map(|(key, file, text)| {
            let path = directory.join(file);
            std::fs::write(&path, text)?;
            Ok((key.to_owned(), path.display().to_string()))
        })
        .collect()
}

fn add_lines(conf: &Path, lines: &[(String, String)]) -> anyhow::Result<()> {
    let own = |line: &&str| !line.starts_with("rpc_tls_");
    let mut text: String = std::fs::read_to_string(conf)?.lines().filter(own).map(|line| format!("{line}\n")).collect();
    text.extend(lines.iter().map(|(key, value)| format!("{key} = {value}\n")));
    Ok(std::fs::write(conf, text)?)
}

#[test]
fn a_cluster_over_tls_works_and_lets_no_other_node_in() {
    e2e("secure/tls", || async {
        let mut house = House::plan(HouseSpec { compute_nodes: 2, ..HouseSpec::default() }).await?;
        let (ours, others) = (authority()?, authority()?);
        let pki = house.directory("pki");
        add_lines(&house.cluster.frontend.conf, &equip(&pki, "fe", &ours)?)?;
        for (n, node) in house.cluster.compute.iter().enumerate() {
            add_lines(&node.conf, &equip(&pki, &format!("cn{n}"), &ours)?)?;
        }
        house.cluster.start(&[], START).await?;
        let mut client = house.client().await?;
        for address in &house.cluster.compute_addresses {
            client.run(&format!("ALTER SYSTEM ADD COMPUTE NODE \"{address}\"")).await?;
        }
        house.all_alive(&mut client).await?;
        client.run(QUICKSTART).await?;
        let count = "SELECT COUNT(*) FROM quickstart.source_wiki_edit";
        same("rows, written and read over TLS", client.one::<u64>(count).await?, 3)?;

        // A node without TLS, then one of another authority: not alive, and SHOW says why.
        for (lines, why) in
            [(Vec::new(), "TLS is on at this end and off at the other"), (equip(&pki, "stranger", &others)?, "TLS")]
        {
            let node = &mut house.cluster.compute[1];
            node.kill().await?;
            add_lines(&node.conf, &lines)?;
            node.start(&[])?;
            node.ready(START).await?;
            until("the frontend says why the node is not alive", Duration::from_secs(30), || async {
                let mut client = house.client().await?;
                let rows: Vec<mysql_async::Row> = client.rows("SHOW COMPUTE NODES").await?;
                let shown: String = rows.iter().filter_map(|row| row.get::<String, _>("ErrMsg")).collect();
                Ok(if shown.contains(why) { Ok(()) } else { Err(shown) })
            })
            .await?;
            house.alive(&mut client, 1).await?;
            same("rows from the node that is left", client.one::<u64>(count).await?, 3)?;
        }
        let node = &mut house.cluster.compute[1];
        node.kill().await?;
        add_lines(&node.conf, &equip(&pki, "cn1", &ours)?)?;
        node.start(&[])?;
        house.all_alive(&mut client).await?;

        // Files that are wrong are one line at the start.
        let node = &mut house.cluster.compute[0];
        node.kill().await?;
        let mut lines = equip(&pki, "cn0", &ours)?;
        lines[1].1 = pki.join("cn1.key").display().to_string();
        add_lines(&node.conf, &lines)?;
        node.start(&[])?;
        let status = tokio::time::timeout(START, node.wait()).await.context("it did not end")??;
        let log = std::fs::read_to_string(node.log())?;
        ensure!(
            !status.success() && log.contains("rpc_tls_key = ") && log.contains("does not fit the certificate"),
            "{log}"
        );
        client.close().await?;
        house.finish().await
    });
}

/// The mysql command with these arguments as root: whether it was content, and what it said.
async fn mysql(port: u16, arguments: &[&str], sql: &str) -> anyhow::Result<(bool, String)> {
    let mut command = tokio::process::Command::new("mysql");
    command.args(["--no-defaults", "-h", "127.0.0.1", "-P", &port.to_string(), "-u", "root", "--skip-column-names"]);
    let output = command.args(arguments).args(["-e", sql]).kill_on_drop(true).output().await.context("mysql")?;
    let text = [output.stdout, output.stderr].concat();
    Ok((output.status.success(), String::from_utf8_lossy(&text).into_owned()))
}

#[test]
fn clients_come_over_tls_and_over_nothing_else_if_it_must_be() {
    e2e("secure/clients", || async {
        if !has_mysql_command("secure/clients") {
            return Ok(());
        }
        let mut house = House::plan(HouseSpec::default()).await?;
        let (ours, others) = (authority()?, authority()?);
        let pki = house.directory("pki");
        std::fs::create_dir_all(&pki)?;
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::new(vec!["127.0.0.1".to_owned()])?;
        // Of the same name as its authority it would look like one that has signed itself.
        params.distinguished_name.push(DnType::CommonName, "a frontend");
        let certificate = params.signed_by(&key, &ours)?;
        let file = |name: &str, text: String| -> anyhow::Result<String> {
            let path = pki.join(name);
            std::fs::write(&path, text)?;
            Ok(path.display().to_string())
        };
        let mut lines = vec![
            ("mysql_tls_certificate".to_owned(), file("server.pem", certificate.pem())?),
            ("mysql_tls_key".to_owned(), file("server.key", key.serialize_pem())?),
        ];
        let trusted = format!("--ssl-ca={}", file("ca.pem", ours.pem())?);
        let strange = format!("--ssl-ca={}", file("other.pem", others.pem())?);
        add_lines(&house.cluster.frontend.conf, &lines)?;
        house.begin().await?;
        let port = house.cluster.ports.query;

        let secure = [trusted.as_str(), "--ssl-verify-server-cert"];
        let (ok, status) = mysql(port, &secure, "\\s").await?;
        ensure!(ok && status.contains("Cipher in use is TLS"), "{status}");
        // Many packets both ways, and an error between them.
        let script = format!("{QUICKSTART}; SELECT count(*), @@have_ssl FROM quickstart.source_wiki_edit");
        let (ok, said) = mysql(port, &secure, &script).await?;
        ensure!(ok && said.contains("3\tYES"), "{said}");
        let (ok, said) = mysql(port, &secure, "SELECT g FROM TABLE(generate_series(1, 200000)) s(g)").await?;
        same("lines over TLS", (ok, said.lines().count()), (true, 200_000))?;
        let long = format!("SELECT length('{}')", "x".repeat(100_000));
        same("a long statement over TLS", mysql(port, &secure, &long).await?, (true, "100000\n".to_owned()))?;
        let (ok, said) = mysql(port, &secure, "SELECT nothing").await?;
        ensure!(!ok && said.contains("ERROR 1064"), "{said}");
        let (ok, said) = mysql(port, &[&strange, "--ssl-verify-server-cert"], "SELECT 1").await?;
        ensure!(!ok && said.contains("certificate"), "a client that does not trust the authority: {said}");
        let (ok, said) = mysql(port, &["--skip-ssl"], "SELECT 1").await?;
        ensure!(ok && said == "1\n", "a client that wants none: {said}");

        lines.push(("ssl_force_secure_transport".to_owned(), "true".to_owned()));
        add_lines(&house.cluster.frontend.conf, &lines[2..])?;
        house.cluster.frontend.kill().await?;
        house.cluster.frontend.start(&[])?;
        until("the frontend lets in who comes over TLS", START, || async {
            let (ok, said) = mysql(port, &secure, "SELECT 40 + 2").await?;
            Ok(if ok && said == "42\n" { Ok(()) } else { Err(said) })
        })
        .await?;
        let (ok, said) = mysql(port, &["--skip-ssl"], "SELECT 1").await?;
        ensure!(!ok && said.contains("3159"), "{said}");
        house.finish().await
    });
}

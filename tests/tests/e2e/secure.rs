//! A cluster whose nodes talk over TLS, and nodes that do not belong to it.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, ensure};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair};
use tests::client::{same, until};
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

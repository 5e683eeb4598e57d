//! The MySQL protocol by hand: for what a driver would never send, and for measuring a server and not a driver.

use anyhow::ensure;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// The length that a packet's header names.
fn length_of(header: [u8; 4]) -> usize {
    usize::from(header[0]) | usize::from(header[1]) << 8 | usize::from(header[2]) << 16
}

async fn read_packet(stream: &mut TcpStream) -> anyhow::Result<Vec<u8>> {
    let mut header = [0; 4];
    stream.read_exact(&mut header).await?;
    let mut packet = vec![0; length_of(header)];
    stream.read_exact(&mut packet).await?;
    Ok(packet)
}

/// A connection as root without a password.
pub async fn login(port: u16) -> anyhow::Result<TcpStream> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
    stream.set_nodelay(true)?;
    read_packet(&mut stream).await?;
    // PROTOCOL_41, TRANSACTIONS, SECURE_CONNECTION, PLUGIN_AUTH; no DEPRECATE_EOF.
    let mut reply = 0x0008_a200_u32.to_le_bytes().to_vec();
    reply.extend_from_slice(&(1_u32 << 24).to_le_bytes());
    reply.push(45);
    reply.extend_from_slice(&[0; 23]);
    reply.extend_from_slice(b"root\0\0mysql_native_password\0");
    stream.write_all(&[reply.len() as u8, 0, 0, 1]).await?;
    stream.write_all(&reply).await?;
    let mut answer = read_packet(&mut stream).await?;
    if answer.first() == Some(&0xfe) {
        // Another way of login: with an empty password the answer is empty in all of them.
        stream.write_all(&[0, 0, 0, 3]).await?;
        answer = read_packet(&mut stream).await?;
    }
    ensure!(answer.first() == Some(&0), "the login was answered with {answer:?}");
    Ok(stream)
}

/// COM_QUERY as bytes; for texts that fit one packet.
pub fn query(sql: &str) -> Vec<u8> {
    let length = (sql.len() + 1) as u32;
    let mut bytes = vec![length as u8, (length >> 8) as u8, (length >> 16) as u8, 0, 3];
    bytes.extend_from_slice(sql.as_bytes());
    bytes
}

/// Sends a query of one result set with rows and reads it to its end; how many bytes that were.
pub async fn ask(stream: &mut TcpStream, sql: &str) -> anyhow::Result<usize> {
    stream.write_all(&query(sql)).await?;
    let (mut bytes, mut ends) = (0, 0);
    while ends < 2 {
        let packet = read_packet(stream).await?;
        ensure!(packet.first() != Some(&0xff), "{}", String::from_utf8_lossy(&packet));
        bytes += packet.len() + 4;
        ends += usize::from(packet.first() == Some(&0xfe) && packet.len() < 9);
    }
    Ok(bytes)
}

//! The packets of getting in: greeting, the client's answer, the switch to our plugin, and COM_CHANGE_USER. Only their shapes; the order
//! of things is in `connection`.

use std::collections::BTreeMap;

use mysql_common::constants::{CapabilityFlags, StatusFlags};
use mysql_common::io::ParseBuf;
use mysql_common::packets::{AuthSwitchRequest, HandshakePacket};
use mysql_common::proto::MySerialize;
use rand::Rng;

use crate::error::MySqlError;
use crate::password::NATIVE_PASSWORD;
use crate::reply::SERVER_CAPABILITIES;

/// utf8mb4_general_ci, the server's collation in the greeting.
const SERVER_COLLATION: u8 = 45;
/// Where the fixed part of a handshake response ends.
const FIXED_PART: usize = 32;

/// What a client says about itself when it logs in or changes its user.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Credentials {
    pub(crate) user: String,
    pub(crate) auth_response: Vec<u8>,
    pub(crate) database: Option<String>,
    /// The plugin that made the response. Empty when the client does not know of plugins.
    pub(crate) auth_plugin: String,
    pub(crate) collation: u16,
    pub(crate) connect_attributes: BTreeMap<String, String>,
}

impl Credentials {
    /// True when the response was made with our plugin, so that it can be checked without asking again.
    pub(crate) fn is_native(&self) -> bool {
        self.auth_plugin.is_empty() || self.auth_plugin == NATIVE_PASSWORD
    }
}

/// Twenty random bytes that survive being treated as a text.
pub(crate) fn new_salt() -> [u8; 20] {
    let mut random = rand::rng();
    std::array::from_fn(|_| random.random_range(b'%'..=b'~'))
}

/// Pushes the server's greeting, with what it offers.
pub(crate) fn put_greeting(
    out: &mut Vec<u8>,
    (version, offers): (&str, CapabilityFlags),
    connection_id: u32,
    salt: &[u8; 20],
    status: StatusFlags,
) {
    let mut first = [0; 8];
    first.copy_from_slice(&salt[..8]);
    let mut second = salt[8..].to_vec();
    second.push(0);
    let greeting = HandshakePacket::new(
        10,
        version.as_bytes(),
        connection_id,
        first,
        Some(second),
        offers,
        SERVER_COLLATION,
        status,
        Some(NATIVE_PASSWORD.as_bytes()),
    );
    greeting.serialize(out);
}

/// Pushes the request to answer again, with our plugin.
pub(crate) fn put_auth_switch(out: &mut Vec<u8>, salt: &[u8; 20]) {
    let mut data = salt.to_vec();
    data.push(0);
    AuthSwitchRequest::new(NATIVE_PASSWORD.as_bytes(), data).serialize(out);
}

/// Reads the client's answer to the greeting: what both sides can do, and the credentials.
pub(crate) fn read_handshake_response(packet: &[u8]) -> Result<(CapabilityFlags, Credentials), MySqlError> {
    let wishes = packet.first_chunk::<4>().map_or(0, |bytes| u32::from_le_bytes(*bytes));
    let client = CapabilityFlags::from_bits_truncate(wishes) & SERVER_CAPABILITIES;
    if !client.contains(CapabilityFlags::CLIENT_PROTOCOL_41) || packet.len() < FIXED_PART {
        return Err(MySqlError::bad_handshake());
    }
    let collation = u16::from(packet[8]);
    let mut rest = ParseBuf(&packet[FIXED_PART..]);
    let credentials = read_fields(&mut rest, client, collation).ok_or_else(MySqlError::bad_handshake)?;
    Ok((client, credentials))
}

fn read_fields(rest: &mut ParseBuf<'_>, client: CapabilityFlags, collation: u16) -> Option<Credentials> {
    let user = text(rest.eat_null_str());
    let auth_response = if client.contains(CapabilityFlags::CLIENT_PLUGIN_AUTH_LENENC_CLIENT_DATA) {
        rest.checked_eat_lenenc_str()?
    } else if client.contains(CapabilityFlags::CLIENT_SECURE_CONNECTION) {
        rest.checked_eat_u8_str()?
    } else {
        rest.eat_null_str()
    };
    let auth_response = auth_response.to_vec();
    let mut database = None;
    if client.contains(CapabilityFlags::CLIENT_CONNECT_WITH_DB) {
        database = Some(text(rest.eat_null_str())).filter(|name| !name.is_empty());
    }
    let (auth_plugin, connect_attributes) = read_plugin_and_attributes(rest, client)?;
    Some(Credentials { user, auth_response, database, auth_plugin, collation, connect_attributes })
}

/// The end of both packets. Clients that announce these parts and then leave them out are forgiven.
fn read_plugin_and_attributes(
    rest: &mut ParseBuf<'_>,
    client: CapabilityFlags,
) -> Option<(String, BTreeMap<String, String>)> {
    let mut auth_plugin = String::new();
    if client.contains(CapabilityFlags::CLIENT_PLUGIN_AUTH) {
        auth_plugin = text(rest.eat_null_str());
    }
    let mut attributes = BTreeMap::new();
    if client.contains(CapabilityFlags::CLIENT_CONNECT_ATTRS) && !rest.is_empty() {
        let mut pairs = ParseBuf(rest.checked_eat_lenenc_str()?);
        while !pairs.is_empty() {
            let name = text(pairs.checked_eat_lenenc_str()?);
            attributes.insert(name, text(pairs.checked_eat_lenenc_str()?));
        }
    }
    Some((auth_plugin, attributes))
}

/// Reads COM_CHANGE_USER, without its command byte.
pub(crate) fn read_change_user(payload: &[u8], client: CapabilityFlags) -> Option<Credentials> {
    let mut rest = ParseBuf(payload);
    let user = text(rest.eat_null_str());
    let auth_response = if client.contains(CapabilityFlags::CLIENT_SECURE_CONNECTION) {
        rest.checked_eat_u8_str()?
    } else {
        rest.eat_null_str()
    };
    let auth_response = auth_response.to_vec();
    let database = Some(text(rest.eat_null_str())).filter(|name| !name.is_empty());
    let collation = rest.checked_eat_u16_le().unwrap_or(u16::from(SERVER_COLLATION));
    let (auth_plugin, connect_attributes) = read_plugin_and_attributes(&mut rest, client)?;
    Some(Credentials { user, auth_response, database, auth_plugin, collation, connect_attributes })
}

/// Names are UTF-8; what is not becomes a name that nothing has.
fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
mod tests;

//! AES with keys of 128 bits, block by block (`AES_128_ECB`), as MySQL has it: a key of any length is folded into one of 16 bytes.

use std::sync::Arc;

use aes::Aes128;
use arrow::array::{ArrayRef, BinaryArray, StringArray};
use arrow::datatypes::DataType;
use cipher::block_padding::Pkcs7;
use cipher::{BlockDecrypt, BlockEncrypt, KeyInit};
use datafusion::common::Result;

use super::binary::Bytes;
use super::sketches::{Want, wanted};
use super::typed::Typed;

const KEY: usize = 16;

pub(super) fn functions() -> Vec<Typed> {
    vec![
        Typed::new("aes_encrypt", bytes_and_key, |_| DataType::Binary, encrypted),
        Typed::new("aes_decrypt", bytes_and_key, |_| DataType::Utf8, decrypted),
    ]
}

fn bytes_and_key(types: &[DataType]) -> Option<Vec<DataType>> {
    wanted(types, &[Want::Bytes, Want::Bytes])
}

fn cipher_of(key: &[u8]) -> Aes128 {
    let mut folded = [0; KEY];
    key.iter().enumerate().for_each(|(at, byte)| folded[at % KEY] ^= byte);
    Aes128::new(&folded.into())
}

/// What `with` makes of the bytes and the cipher of each row; NULL where one of them is.
fn each<T>(args: &[ArrayRef], rows: usize, with: impl Fn(&Aes128, &[u8]) -> Option<T>) -> Result<Vec<Option<T>>> {
    let (values, keys) = (Bytes::of(&args[0])?, Bytes::of(&args[1])?);
    // One key for all rows, mostly: it is expanded once.
    let mut known: Option<(&[u8], Aes128)> = None;
    let mut made = Vec::with_capacity(rows);
    for row in 0..rows {
        let Some((value, key)) = values.at(row).zip(keys.at(row)) else {
            made.push(None);
            continue;
        };
        let (_, cipher) = match known.take() {
            Some(same) if same.0 == key => known.insert(same),
            _ => known.insert((key, cipher_of(key))),
        };
        made.push(with(cipher, value));
    }
    Ok(made)
}

fn encrypted(args: &[ArrayRef], rows: usize, _: &DataType) -> Result<ArrayRef> {
    let made = each(args, rows, |cipher, value| Some(cipher.encrypt_padded_vec::<Pkcs7>(value)))?;
    Ok(Arc::new(BinaryArray::from_iter(made)))
}

/// NULL where the bytes were not made with this key, or were no text then.
fn decrypted(args: &[ArrayRef], rows: usize, _: &DataType) -> Result<ArrayRef> {
    let made = each(args, rows, |cipher, value| {
        let value = cipher.decrypt_padded_vec::<Pkcs7>(value).ok()?;
        String::from_utf8(value).ok()
    })?;
    Ok(Arc::new(StringArray::from(made)))
}

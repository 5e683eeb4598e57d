//! Bytes as texts and back (hexadecimal, Base64), and checksums of texts and bytes.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, Decimal256Array, Int32Array, Int64Array, StringArray, StringBuilder,
};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type, i256};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use datafusion::common::{Result, exec_datafusion_err};
use md5::Md5;
use sha2::{Digest, Sha224, Sha256, Sha384, Sha512};
use sm3::Sm3;
use xxhash_rust::xxh3::{Xxh3, xxh3_64_with_seed};

use super::sketches::{Want, wanted};
use super::typed::Typed;

pub(super) fn functions() -> Vec<Typed> {
    let text = |_: &[DataType]| DataType::Utf8;
    let binary = |_: &[DataType]| DataType::Binary;
    let one_text = |types: &[DataType]| wanted(types, &[Want::Text]);
    let large = |_: &[DataType]| DataType::Decimal256(storage_tablet::types::LARGEINT_PRECISION, 0);
    vec![
        Typed::new("to_binary", text_and_format, binary, to_binary),
        Typed::new("from_binary", bytes_and_format, text, from_binary),
        Typed::new("hex", number_or_bytes, text, hex_of),
        Typed::new("unhex", one_text, text, |args, rows, _| decoded_texts(args, rows, |t| Some(from_hex(t)))),
        Typed::new("hex_decode_string", one_text, text, |args, rows, _| {
            decoded_texts(args, rows, |t| Some(from_hex(t)))
        }),
        Typed::new("hex_decode_binary", one_text, binary, |args, rows, _| {
            decoded_bytes(args, rows, |t| Some(from_hex(t)))
        }),
        Typed::new("to_base64", one, text, |args, rows, _| {
            texts_of(args, rows, |bytes| (!bytes.is_empty()).then(|| to_base64(bytes)))
        }),
        Typed::new("from_base64", one_text, text, |args, rows, _| decoded_texts(args, rows, not_empty_base64)),
        Typed::new("base64_decode_string", one_text, text, |args, rows, _| decoded_texts(args, rows, not_empty_base64)),
        Typed::new("base64_decode_binary", one_text, binary, |args, rows, _| {
            decoded_bytes(args, rows, not_empty_base64)
        }),
        Typed::new("octet_length", one, |_| DataType::Int32, length),
        Typed::new("md5", one, text, |args, rows, _| texts_of(args, rows, |b| Some(hex::encode(Md5::digest(b))))),
        Typed::new("md5sum", all_bytes, text, md5_of_all),
        Typed::new("md5sum_numeric", all_bytes, large, md5_number_of_all),
        Typed::new("sha2", |t| wanted(t, &[Want::Bytes, Want::Whole]), text, sha2_of),
        Typed::new("sm3", one, text, |args, rows, _| texts_of(args, rows, |bytes| Some(sm3_of(bytes)))),
        Typed::new("xx_hash3_64", all_bytes, |_| DataType::Int64, xx_hash),
        Typed::new("xx_hash3_128", all_bytes, large, xx_hash_128),
    ]
}

fn one(types: &[DataType]) -> Option<Vec<DataType>> {
    wanted(types, &[Want::Bytes])
}

fn all_bytes(types: &[DataType]) -> Option<Vec<DataType>> {
    if types.is_empty() { None } else { wanted(types, &vec![Want::Bytes; types.len()]) }
}

fn text_and_format(types: &[DataType]) -> Option<Vec<DataType>> {
    wanted(types, &[Want::Text]).or_else(|| wanted(types, &[Want::Text, Want::Text]))
}

fn bytes_and_format(types: &[DataType]) -> Option<Vec<DataType>> {
    wanted(types, &[Want::Bytes]).or_else(|| wanted(types, &[Want::Bytes, Want::Text]))
}

fn number_or_bytes(types: &[DataType]) -> Option<Vec<DataType>> {
    let is_number = matches!(types, [only] if only.is_numeric() || only == &DataType::Boolean);
    wanted(types, &[if is_number { Want::Whole } else { Want::Bytes }])
}

/// The bytes of a column of texts or bytes.
pub(super) struct Bytes(BinaryArray);

impl Bytes {
    pub(super) fn of(values: &ArrayRef) -> Result<Bytes> {
        Ok(Bytes(cast(values, &DataType::Binary)?.as_binary::<i32>().clone()))
    }

    pub(super) fn at(&self, row: usize) -> Option<&[u8]> {
        self.0.is_valid(row).then(|| self.0.value(row))
    }
}

/// Base64 of bytes.
pub(super) fn to_base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// The bytes of Base64; None: it is none.
pub(super) fn from_base64(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text.trim_end()).ok()
}

fn not_empty_base64(text: &str) -> Option<Vec<u8>> {
    if text.is_empty() { None } else { from_base64(text) }
}

/// What is no hexadecimal text is no bytes.
fn from_hex(text: &str) -> Vec<u8> {
    hex::decode(text).unwrap_or_default()
}

/// The formats of `to_binary` and `from_binary`.
#[derive(Clone, Copy)]
enum Format {
    Hex,
    Base64,
    Plain,
}

/// The format that the second argument names, where there is one.
fn format_at(args: &[ArrayRef], row: usize) -> Result<Option<Format>> {
    let Some(named) = args.get(1) else { return Ok(Some(Format::Hex)) };
    let named = named.as_string::<i32>();
    if named.is_null(row) {
        return Ok(None);
    }
    match named.value(row) {
        name if name.eq_ignore_ascii_case("hex") => Ok(Some(Format::Hex)),
        name if name.eq_ignore_ascii_case("encode64") => Ok(Some(Format::Base64)),
        name if name.eq_ignore_ascii_case("utf8") => Ok(Some(Format::Plain)),
        name => Err(exec_datafusion_err!("'{name}' is no binary format: it is hex, encode64 or utf8")),
    }
}

fn to_binary(args: &[ArrayRef], rows: usize, _: &DataType) -> Result<ArrayRef> {
    let texts = args[0].as_string::<i32>();
    let bytes = |row| {
        let format = format_at(args, row)?.filter(|_| texts.is_valid(row));
        Ok(match (format, texts.is_valid(row).then(|| texts.value(row))) {
            (Some(Format::Hex), Some(text)) => Some(from_hex(text)),
            (Some(Format::Base64), Some("")) => None,
            (Some(Format::Base64), Some(text)) => Some(from_base64(text).unwrap_or_default()),
            (Some(Format::Plain), Some(text)) => Some(text.as_bytes().to_vec()),
            _ => None,
        })
    };
    Ok(Arc::new(BinaryArray::from_iter((0..rows).map(bytes).collect::<Result<Vec<_>>>()?)))
}

fn from_binary(args: &[ArrayRef], rows: usize, _: &DataType) -> Result<ArrayRef> {
    let bytes = Bytes::of(&args[0])?;
    let mut builder = StringBuilder::with_capacity(rows, rows * 16);
    for row in 0..rows {
        match (format_at(args, row)?, bytes.at(row)) {
            (Some(Format::Hex), Some(bytes)) => builder.append_value(hex::encode_upper(bytes)),
            (Some(Format::Base64), Some(bytes)) => builder.append_value(to_base64(bytes)),
            (Some(Format::Plain), Some(bytes)) => builder.append_value(plain(bytes)?),
            _ => builder.append_null(),
        }
    }
    Ok(Arc::new(builder.finish()))
}

fn plain(bytes: &[u8]) -> Result<&str> {
    std::str::from_utf8(bytes).map_err(|_| exec_datafusion_err!("binary value is not valid utf-8 text"))
}

fn hex_of(args: &[ArrayRef], rows: usize, _: &DataType) -> Result<ArrayRef> {
    if let Some(numbers) = args[0].as_primitive_opt::<Int64Type>() {
        return Ok(Arc::new(numbers.iter().map(|n| n.map(|n| format!("{n:X}"))).collect::<StringArray>()));
    }
    texts_of(args, rows, |bytes| Some(hex::encode_upper(bytes)))
}

/// A text of the bytes in each row.
fn texts_of(args: &[ArrayRef], rows: usize, text: impl Fn(&[u8]) -> Option<String>) -> Result<ArrayRef> {
    let bytes = Bytes::of(&args[0])?;
    Ok(Arc::new((0..rows).map(|row| bytes.at(row).and_then(&text)).collect::<StringArray>()))
}

fn decoded_bytes(args: &[ArrayRef], rows: usize, decode: fn(&str) -> Option<Vec<u8>>) -> Result<ArrayRef> {
    let texts = args[0].as_string::<i32>();
    let bytes = (0..rows).map(|row| texts.is_valid(row).then(|| decode(texts.value(row))).flatten());
    Ok(Arc::new(BinaryArray::from_iter(bytes)))
}

fn decoded_texts(args: &[ArrayRef], rows: usize, decode: fn(&str) -> Option<Vec<u8>>) -> Result<ArrayRef> {
    let bytes = decoded_bytes(args, rows, decode)?;
    let texts = bytes.as_binary::<i32>().iter().map(|bytes| bytes.map(plain).transpose());
    Ok(Arc::new(texts.collect::<Result<StringArray>>()?))
}

fn length(args: &[ArrayRef], rows: usize, _: &DataType) -> Result<ArrayRef> {
    let bytes = Bytes::of(&args[0])?;
    let length = |row| bytes.at(row).and_then(|bytes| i32::try_from(bytes.len()).ok());
    Ok(Arc::new((0..rows).map(length).collect::<Int32Array>()))
}

/// MD5 of all that is not NULL in a row, one behind the other.
fn md5_rows(args: &[ArrayRef], rows: usize) -> Result<Vec<[u8; 16]>> {
    let columns = args.iter().map(Bytes::of).collect::<Result<Vec<_>>>()?;
    let digest = |row| {
        let mut md5 = Md5::new();
        columns.iter().filter_map(|bytes| bytes.at(row)).for_each(|bytes| md5.update(bytes));
        md5.finalize().into()
    };
    Ok((0..rows).map(digest).collect())
}

fn md5_of_all(args: &[ArrayRef], rows: usize, _: &DataType) -> Result<ArrayRef> {
    let digests = md5_rows(args, rows)?;
    Ok(Arc::new(digests.into_iter().map(|digest| Some(hex::encode(digest))).collect::<StringArray>()))
}

fn md5_number_of_all(args: &[ArrayRef], rows: usize, _: &DataType) -> Result<ArrayRef> {
    let numbers = md5_rows(args, rows)?.into_iter().map(|digest| i256::from_parts(u128::from_be_bytes(digest), 0));
    let numbers = Decimal256Array::from_iter_values(numbers);
    Ok(Arc::new(numbers.with_precision_and_scale(storage_tablet::types::LARGEINT_PRECISION, 0)?))
}

fn sha2_of(args: &[ArrayRef], rows: usize, _: &DataType) -> Result<ArrayRef> {
    let (bytes, lengths) = (Bytes::of(&args[0])?, args[1].as_primitive::<Int64Type>());
    let digest = |row: usize| {
        let bytes = bytes.at(row)?;
        Some(match lengths.is_valid(row).then(|| lengths.value(row))? {
            224 => hex::encode(Sha224::digest(bytes)),
            0 | 256 => hex::encode(Sha256::digest(bytes)),
            384 => hex::encode(Sha384::digest(bytes)),
            512 => hex::encode(Sha512::digest(bytes)),
            _ => return None,
        })
    };
    Ok(Arc::new((0..rows).map(digest).collect::<StringArray>()))
}

/// The hash of each argument is the seed of the next.
fn xx_hash(args: &[ArrayRef], rows: usize, _: &DataType) -> Result<ArrayRef> {
    let columns = args.iter().map(Bytes::of).collect::<Result<Vec<_>>>()?;
    let hash =
        |row| columns.iter().try_fold(0, |seed, bytes| bytes.at(row).map(|bytes| xxh3_64_with_seed(bytes, seed)));
    Ok(Arc::new((0..rows).map(|row| hash(row).map(u64::cast_signed)).collect::<Int64Array>()))
}

/// The hash of all arguments, one behind the other.
fn xx_hash_128(args: &[ArrayRef], rows: usize, _: &DataType) -> Result<ArrayRef> {
    let columns = args.iter().map(Bytes::of).collect::<Result<Vec<_>>>()?;
    let mut state = Xxh3::new();
    let mut hash = |row| {
        state.reset();
        for bytes in &columns {
            state.update(bytes.at(row)?);
        }
        Some(i256::from_i128(state.digest128().cast_signed()))
    };
    let numbers = (0..rows).map(&mut hash).collect::<Decimal256Array>();
    Ok(Arc::new(numbers.with_precision_and_scale(storage_tablet::types::LARGEINT_PRECISION, 0)?))
}

/// Words of eight digits, as StarRocks writes them.
fn sm3_of(bytes: &[u8]) -> String {
    let digest = Sm3::digest(bytes);
    digest.chunks(4).map(hex::encode).collect::<Vec<_>>().join(" ")
}

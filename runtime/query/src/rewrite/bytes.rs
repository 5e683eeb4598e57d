//! Bytes that are no text stay bytes where a function takes such: `md5(from_base64('…'))`. StarRocks' VARCHAR holds any bytes,
//! the one here holds text.

use datafusion::sql::sqlparser::ast::{
    Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, ObjectName,
};

use super::calls::plain_name;

/// What decodes to bytes, by the name of what decodes to text.
fn decoder_of_bytes(name: &str) -> Option<&'static str> {
    match name {
        "from_base64" | "base64_decode_string" => Some("base64_decode_binary"),
        "unhex" | "hex_decode_string" => Some("hex_decode_binary"),
        _ => None,
    }
}

/// Has the arguments of a function of bytes decoded to bytes.
pub(super) fn keep_arguments(name: &str, function: &mut Function) {
    let takes_bytes = matches!(
        name,
        "aes_encrypt"
            | "aes_decrypt"
            | "md5"
            | "md5sum"
            | "md5sum_numeric"
            | "sha2"
            | "sm3"
            | "xx_hash3_64"
            | "xx_hash3_128"
            | "hex"
            | "to_base64"
            | "octet_length"
    );
    let FunctionArguments::List(list) = &mut function.args else { return };
    for arg in list.args.iter_mut().filter(|_| takes_bytes) {
        if let FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Function(inner))) = arg
            && let Some(other) = plain_name(inner).as_deref().and_then(decoder_of_bytes)
        {
            inner.name = ObjectName::from(vec![Ident::new(other)]);
        }
    }
}

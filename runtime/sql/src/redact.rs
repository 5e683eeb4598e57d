//! Statements for logs and SHOW PROCESSLIST: the same text without its secrets.

use crate::lexer::{Kind, Lexer, Token};

const MASK: &str = "'******'";

/// The text with the values of secret properties (`"aws.s3.secret_key" = "..."`) and passwords replaced by `'******'`.
/// Text that is no statement is treated as well as it can be.
pub fn redact(text: &str) -> String {
    let mut lexer = Lexer::new(text);
    let mut redacted = String::with_capacity(text.len());
    let mut copied = 0;
    let mut before: [Option<Token<'_>>; 2] = [None, None];
    loop {
        let token = lexer.next_token();
        let unreadable = matches!(token.kind, Kind::Invalid(_));
        if token.kind == Kind::End {
            break;
        }
        if (token.kind == Kind::Text || unreadable) && follows_secret(before) {
            redacted.push_str(&text[copied..token.start]);
            redacted.push_str(MASK);
            copied = token.end();
        }
        if unreadable {
            break;
        }
        before = [before[1], Some(token)];
    }
    redacted.push_str(&text[copied..]);
    redacted
}

/// Whether a string behind these two tokens is a secret.
fn follows_secret([first, second]: [Option<Token<'_>>; 2]) -> bool {
    let (Some(first), Some(second)) = (first, second) else { return false };
    let is_password = first.is_word("IDENTIFIED") && (second.is_word("BY") || second.is_word("AS"))
        || second.is_word("PASSWORD")
        || first.is_word("PASSWORD") && (second.is_symbol("(") || second.is_symbol("="))
        // IDENTIFIED WITH plugin BY 'x'
        || second.is_word("BY") && matches!(first.kind, Kind::Word | Kind::Text | Kind::Quoted);
    let names_secret = matches!(first.kind, Kind::Text | Kind::Word | Kind::Quoted)
        && second.is_symbol("=")
        && storage_model::volume::is_secret(&first.value());
    is_password || names_secret
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_masked_and_the_rest_is_kept() {
        let text = "CREATE STORAGE VOLUME v TYPE = S3 LOCATIONS = ('s3://b') PROPERTIES ('aws.s3.access_key'='AK',\n \
                    \"aws.s3.secret_key\" = \"hu\\\"sh\", 'aws.s3.region'='r')";
        let redacted = redact(text);
        assert!(!redacted.contains("AK") && !redacted.contains("sh\"") && !redacted.contains("hu"), "{redacted}");
        assert!(redacted.ends_with("'aws.s3.region'='r')") && redacted.starts_with("CREATE STORAGE VOLUME v TYPE"));
        assert_eq!(redact("CREATE USER u IDENTIFIED BY 'x1'"), "CREATE USER u IDENTIFIED BY '******'");
        assert_eq!(redact("SET PASSWORD = PASSWORD('x1')"), "SET PASSWORD = PASSWORD('******')");
        assert_eq!(redact("CREATE USER u IDENTIFIED WITH p BY 'x1'"), "CREATE USER u IDENTIFIED WITH p BY '******'");
        assert_eq!(redact("x ('aws.s3.secret_key' = 'unterminated"), "x ('aws.s3.secret_key' = '******'");
        assert_eq!(redact("SELECT 'a' = 'b' -- 'c'"), "SELECT 'a' = 'b' -- 'c'");
    }
}

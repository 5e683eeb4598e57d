//! Statements for logs and SHOW PROCESSLIST: the same text without its secrets.

use crate::lexer::{Kind, Lexer, Token};

const MASK: &str = "'******'";

/// The text with the values of secret properties (`"aws.s3.secret_key" = "..."`) and passwords replaced by `'******'`.
/// Text that is no statement is treated as well as it can be.
pub fn redact(text: &str) -> String {
    let mut lexer = Lexer::new(text);
    let mut redacted = String::with_capacity(text.len());
    let mut copied = 0;
    let mut context = Context::default();
    loop {
        let token = lexer.next_token();
        let unreadable = matches!(token.kind, Kind::Invalid(_));
        if token.kind == Kind::End {
            break;
        }
        if (token.kind == Kind::Text || unreadable) && (context.expects_secret() || context.hides_secret(token)) {
            redacted.push_str(&text[copied..token.start]);
            redacted.push_str(MASK);
            copied = token.end();
        }
        if unreadable {
            break;
        }
        context.pass(token);
    }
    redacted.push_str(&text[copied..]);
    redacted
}

/// What stands before a token.
#[derive(Default)]
struct Context<'a> {
    /// The last two tokens.
    before: [Option<Token<'a>>; 2],
    /// How many tokens ago IDENTIFIED was.
    identified: Option<usize>,
    /// Behind SET PASSWORD, in the same statement.
    sets_password: bool,
    /// Behind PREPARE, in the same statement.
    prepares: bool,
}

/// IDENTIFIED WITH plugin BY 'secret' is the longest.
const BEHIND_IDENTIFIED: usize = 4;

impl<'a> Context<'a> {
    fn pass(&mut self, token: Token<'a>) {
        self.identified = match self.identified {
            _ if token.is_word("IDENTIFIED") => Some(1),
            Some(ago) if ago < BEHIND_IDENTIFIED => Some(ago + 1),
            _ => None,
        };
        if token.is_symbol(";") {
            (self.sets_password, self.prepares) = (false, false);
        } else if token.is_word("PREPARE") {
            self.prepares = true;
        } else if token.is_word("PASSWORD") && self.before[1].is_some_and(|last| last.is_word("SET")) {
            self.sets_password = true;
        }
        self.before = [self.before[1], Some(token)];
    }

    /// Whether a string that comes now is a statement with a secret in it: PREPARE x FROM '...'.
    fn hides_secret(&self, token: Token<'_>) -> bool {
        let text = token.value();
        self.prepares && self.before[1].is_some_and(|last| last.is_word("FROM")) && redact(&text) != text
    }

    /// Whether a string that comes now is a secret.
    fn expects_secret(&self) -> bool {
        let [Some(first), Some(second)] = self.before else { return false };
        // The plugin of IDENTIFIED WITH may be a string too.
        let is_identity = self.identified.is_some() && (second.is_word("BY") || second.is_word("AS"));
        let is_password = second.is_word("PASSWORD")
            || first.is_word("PASSWORD") && (second.is_symbol("(") || second.is_symbol("="))
            || self.sets_password && (second.is_symbol("=") || second.is_symbol("("));
        let names_secret = matches!(first.kind, Kind::Text | Kind::Word | Kind::Quoted)
            && second.is_symbol("=")
            && storage_model::volume::is_secret(&first.value());
        is_identity || is_password || names_secret
    }
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
        let plugin = "CREATE USER u IDENTIFIED WITH 'p' AS '*94BD' DEFAULT ROLE 'r'";
        assert_eq!(redact(plugin), plugin.replace("*94BD", "******"));
        for set in ["SET PASSWORD FOR 'u'@'%' = 'x1'", "SET PASSWORD FOR u = PASSWORD('x1')", "set password = 'x1'"] {
            assert_eq!(redact(set), set.replace("x1", "******"));
        }
        assert_eq!(redact("SET PASSWORD = 'x1'; SELECT a = 'b'"), "SET PASSWORD = '******'; SELECT a = 'b'");
        assert_eq!(redact("SELECT 'a' AS 'b', c BY 'd'"), "SELECT 'a' AS 'b', c BY 'd'");
        assert_eq!(redact("x ('aws.s3.secret_key' = 'unterminated"), "x ('aws.s3.secret_key' = '******'");
        assert_eq!(redact("SELECT 'a' = 'b' -- 'c'"), "SELECT 'a' = 'b' -- 'c'");
        let prepared = "PREPARE p FROM 'ALTER USER u IDENTIFIED BY \"x1\"'";
        assert_eq!(redact(prepared), "PREPARE p FROM '******'");
        assert_eq!(redact("PREPARE p FROM 'SELECT \"x1\"'"), "PREPARE p FROM 'SELECT \"x1\"'");
    }
}

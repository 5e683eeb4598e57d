//! `/*+ SET_VAR(key = value, ...) */`: session variables for one statement. Other hints are read over.

use crate::lexer::{Kind, Lexer, Token};

/// One `key = value` of a `SET_VAR` hint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hint {
    /// The session variable.
    pub name: String,
    /// Its value for the statement, as text.
    pub value: String,
}

/// The settings in a hint comment, marks included. What is not well formed is no hint, as in MySQL.
pub(crate) fn read(comment: &str) -> Vec<Hint> {
    let body = comment.strip_prefix("/*+").and_then(|c| c.strip_suffix("*/")).unwrap_or("");
    let mut lexer = Lexer::new(body);
    let mut settings = Vec::new();
    loop {
        let token = lexer.next_token();
        match token.kind {
            Kind::End | Kind::Invalid(_) => return settings,
            _ if token.is_word("SET_VAR") => settings.extend(read_settings(&mut lexer).unwrap_or_default()),
            _ => {}
        }
    }
}

fn read_settings(lexer: &mut Lexer<'_>) -> Option<Vec<Hint>> {
    if !lexer.next_token().is_symbol("(") {
        return None;
    }
    let mut settings = Vec::new();
    loop {
        let name = lexer.next_token();
        if name.is_symbol(")") {
            return Some(settings);
        }
        if !is_plain(name) || !lexer.next_token().is_symbol("=") {
            return None;
        }
        let mut value = lexer.next_token();
        let negative = value.is_symbol("-");
        if negative {
            value = lexer.next_token();
        }
        if !is_plain(value) {
            return None;
        }
        let value = format!("{}{}", if negative { "-" } else { "" }, value.value());
        settings.push(Hint { name: name.value().into_owned(), value });
        let next = lexer.next_token();
        if next.is_symbol(")") {
            return Some(settings);
        }
        if !next.is_symbol(",") {
            return None;
        }
    }
}

fn is_plain(token: Token<'_>) -> bool {
    matches!(token.kind, Kind::Word | Kind::Quoted | Kind::Text | Kind::Number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(comment: &str) -> String {
        read(comment).iter().map(|h| format!("{}={};", h.name, h.value)).collect()
    }

    #[test]
    fn settings_are_read_and_other_hints_read_over() {
        assert_eq!(settings("/*+ SET_VAR(query_timeout = 1, a='x,y') */"), "query_timeout=1;a=x,y;");
        assert_eq!(settings("/*+set_var(a=-1)*/"), "a=-1;");
        assert_eq!(settings("/*+ BROADCAST(t) SET_VAR(a=true) SET_VAR(b=1) */"), "a=true;b=1;");
        for bad in ["/*+ */", "/*+ SET_VAR */", "/*+ SET_VAR(a) */", "/*+ SET_VAR(a= */", "/*+ SET_VAR(a=1 b=2) */"] {
            assert_eq!(settings(bad), "", "{bad}");
        }
    }
}

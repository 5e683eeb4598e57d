//! `/*+ SET_VAR(key = value, ...) */`: session variables for one statement; `/*+ SET_USER_VARIABLE(@a = expression, …) */`: user
//! variables for one statement. Other hints are read over.

use crate::lexer::{Kind, Lexer, Token};

/// One `key = value` of a `SET_VAR` hint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hint {
    /// The session variable.
    pub name: String,
    /// Its value for the statement, as text.
    pub value: String,
    /// The comment that it stands in, when it is a user variable: then its value is an expression.
    pub user: Option<String>,
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
            _ if token.is_word("SET_USER_VARIABLE") => {
                let read = read_user_variables(&mut lexer, body).unwrap_or_default().into_iter();
                let hint = |(name, value)| Hint { name, value, user: Some(comment.to_owned()) };
                settings.extend(read.map(hint));
            }
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
        settings.push(Hint { name: name.value().into_owned(), value, user: None });
        let next = lexer.next_token();
        if next.is_symbol(")") {
            return Some(settings);
        }
        if !next.is_symbol(",") {
            return None;
        }
    }
}

/// `(@name = expression, …)`; an expression ends at a comma or a bracket that is not within brackets.
fn read_user_variables(lexer: &mut Lexer<'_>, body: &str) -> Option<Vec<(String, String)>> {
    if !lexer.next_token().is_symbol("(") {
        return None;
    }
    let mut read = Vec::new();
    loop {
        let name = lexer.next_token();
        if name.kind != Kind::Variable || !lexer.next_token().is_symbol("=") {
            return None;
        }
        let name = name.value().trim_start_matches('@').to_owned();
        let (mut begin, mut depth) = (None, 0_usize);
        let end = loop {
            let token = lexer.next_token();
            begin = begin.or(Some(token.start));
            match token.source {
                _ if matches!(token.kind, Kind::End | Kind::Invalid(_)) => return None,
                "(" | "[" => depth += 1,
                ")" | "," if depth == 0 => break token,
                ")" | "]" => depth = depth.checked_sub(1)?,
                _ => {}
            }
        };
        read.push((name, body.get(begin?..end.start)?.trim().to_owned()));
        if end.source == ")" {
            return Some(read);
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
        assert_eq!(
            settings("/*+ SET_USER_VARIABLE(@a = (select max(x), 1 from t), @B = f([1, 2])) set_var(c=1) */"),
            "a=(select max(x), 1 from t);B=f([1, 2]);c=1;"
        );
        assert_eq!(settings("/*+ set_user_variable(@a = 1), @b = 2) */"), "a=1;");
        assert_eq!(settings("/*+ set_user_variable(@a = (1 */"), "");
        for bad in ["/*+ */", "/*+ SET_VAR */", "/*+ SET_VAR(a) */", "/*+ SET_VAR(a= */", "/*+ SET_VAR(a=1 b=2) */"] {
            assert_eq!(settings(bad), "", "{bad}");
        }
    }
}

//! How deep the tree of an expression can become, told from its tokens before it is built.
//!
//! A tree is dropped by recursion, even the half of one that sqlparser throws away at an error. Nesting makes depth, and so
//! does a chain of operators (`1+1+1+...` leans to the left, one level an operator). The limits here keep the tree
//! droppable; `normalise` then looks at the tree itself and holds it to what can be copied.

use crate::lexer::{Kind, Token};

/// What a subscript counts for: it is a list in the tree, but a call in a call where it is planned.
const SUBSCRIPT_LINKS: usize = 8;
/// Brackets within brackets.
const DEEPEST_NESTING: usize = 200;
/// Tokens that may follow each other between two commas, over all open brackets. Every level of a tree takes two at least.
/// Dropping a level takes about 80 bytes of stack in a debug build: this is half of a stack of 2 MiB.
const LONGEST_CHAIN: usize = 24_000;
/// How often sqlparser may have to read a subquery again: it reads `((SELECT` as a subquery and as a join.
const MOST_READINGS: usize = 1024;

/// The open brackets of an expression.
#[derive(Default)]
pub(crate) struct Shape {
    open: Vec<Level>,
    outside: usize,
    chain: usize,
    /// Consecutive opening parentheses just before this token.
    run: usize,
    /// `ARRAY<`, `MAP<` and `STRUCT<` that are open.
    angles: usize,
    after_generic: bool,
}

struct Level {
    links: usize,
    readings: usize,
}

impl Shape {
    /// Brackets that are open.
    pub fn depth(&self) -> usize {
        self.open.len()
    }

    /// Takes the next token in, or says why it is one too many.
    pub fn admit(&mut self, token: &Token<'_>) -> Result<(), &'static str> {
        let symbol = if token.kind == Kind::Symbol { token.source } else { "" };
        match symbol {
            "(" | "[" | "{" => {
                if symbol == "[" {
                    *self.open.last_mut().map_or(&mut self.outside, |level| &mut level.links) += SUBSCRIPT_LINKS;
                    self.chain += SUBSCRIPT_LINKS;
                }
                self.open.push(Level { links: 0, readings: 1 });
            }
            ")" | "]" | "}" => {
                let closed = self.open.pop();
                self.chain -= closed.map_or(0, |level| level.links);
            }
            "," => {
                let links = self.open.last_mut().map_or(&mut self.outside, |level| &mut level.links);
                self.chain -= std::mem::take(links);
            }
            _ => {
                *self.open.last_mut().map_or(&mut self.outside, |level| &mut level.links) += 1;
                self.chain += 1;
            }
        }
        self.count_readings(token)?;
        self.count_angles(token, symbol)?;
        if self.open.len() > DEEPEST_NESTING {
            return Err("the statement is nested too deeply");
        }
        if self.chain > LONGEST_CHAIN {
            return Err("an expression of the statement is too long");
        }
        Ok(())
    }

    fn count_readings(&mut self, token: &Token<'_>) -> Result<(), &'static str> {
        if token.is_symbol("(") {
            self.run += 1;
            return Ok(());
        }
        let run = std::mem::take(&mut self.run);
        if run < 2 || !["SELECT", "WITH", "VALUES"].iter().any(|k| token.is_word(k)) {
            return Ok(());
        }
        if let Some(level) = self.open.last_mut() {
            level.readings = run;
        }
        let readings = self.open.iter().fold(1usize, |n, level| n.saturating_mul(level.readings));
        if readings > MOST_READINGS { Err("the statement is nested too deeply") } else { Ok(()) }
    }

    fn count_angles(&mut self, token: &Token<'_>, symbol: &str) -> Result<(), &'static str> {
        match symbol {
            "<" if self.after_generic => self.angles += 1,
            ">" => self.angles = self.angles.saturating_sub(1),
            ">>" => self.angles = self.angles.saturating_sub(2),
            _ => {}
        }
        self.after_generic = ["ARRAY", "MAP", "STRUCT"].iter().any(|k| token.is_word(k));
        if self.angles > DEEPEST_NESTING / 4 { Err("the statement is nested too deeply") } else { Ok(()) }
    }
}

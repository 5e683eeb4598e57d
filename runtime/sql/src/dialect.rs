//! What sqlparser must know of StarRocks to read queries and expressions. Statements are not its business.

use std::any::TypeId;
use std::cell::Cell;

use sqlparser::ast::{Expr, UnaryOperator};
use sqlparser::dialect::{Dialect, MySqlDialect, Precedence};
use sqlparser::keywords::Keyword;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::{Token, Word};

use crate::cursor::is_reserved;

/// Words that sqlparser reads as special forms. It retries a form that does not parse as a plain function call, which
/// doubles the work at every level of nesting; here they are forms before a parenthesis and plain names elsewhere.
const FORMS: &[Keyword] = &[
    Keyword::CAST,
    Keyword::CEIL,
    Keyword::CONVERT,
    Keyword::EXTRACT,
    Keyword::FLOOR,
    Keyword::MATCH,
    Keyword::OVERLAY,
    Keyword::POSITION,
    Keyword::SUBSTR,
    Keyword::SUBSTRING,
    Keyword::TRIM,
    Keyword::TRY_CAST,
    Keyword::SAFE_CAST,
];

/// Words that begin a special form whatever follows.
const PREFIXES: &[Keyword] = &[Keyword::ARRAY, Keyword::CASE, Keyword::EXISTS, Keyword::INTERVAL, Keyword::NOT];

/// The StarRocks dialect of one parser run, with a budget of work.
#[derive(Debug)]
pub(crate) struct StarRocksDialect {
    /// Expressions that may still be begun. sqlparser goes back and tries again in places; a text that makes it do so
    /// without end runs out of this.
    budget: Cell<usize>,
}

impl StarRocksDialect {
    /// For a text of so many tokens.
    pub fn for_tokens(tokens: usize) -> Self {
        StarRocksDialect { budget: Cell::new(tokens.saturating_mul(32) + 1024) }
    }
}

/// `@x := value`: below everything.
const ASSIGNMENT_PRECEDENCE: u8 = 1;
/// `json -> path`: above all that computes.
const ARROW_PRECEDENCE: u8 = 60;
/// `a << b`: below `|`, above comparisons.
const SHIFT_PRECEDENCE: u8 = 21;

impl StarRocksDialect {
    fn parse_unary(&self, parser: &mut Parser, op: UnaryOperator) -> Result<Expr, ParserError> {
        parser.advance_token();
        let operand = parser.parse_subexpr(self.prec_value(Precedence::DoubleColon))?;
        Ok(Expr::UnaryOp { op, expr: Box::new(operand) })
    }
}

/// Whether a word of the grammar stands where an expression should begin. Behind a period and in quotes it is no keyword.
fn is_misplaced(word: &Word, next: &Token) -> bool {
    const BEGIN_EXPRESSIONS: [Keyword; 6] =
        [Keyword::NULL, Keyword::TRUE, Keyword::FALSE, Keyword::CASE, Keyword::NOT, Keyword::EXISTS];
    const FUNCTIONS: [Keyword; 3] = [Keyword::LEFT, Keyword::RIGHT, Keyword::INSERT];
    word.keyword != Keyword::NoKeyword
        && is_reserved(&word.value)
        && !BEGIN_EXPRESSIONS.contains(&word.keyword)
        && !(FUNCTIONS.contains(&word.keyword) && *next == Token::LParen)
}

impl Dialect for StarRocksDialect {
    /// What sqlparser does for MySQL alone it does for us too.
    fn dialect(&self) -> TypeId {
        TypeId::of::<MySqlDialect>()
    }

    fn is_identifier_start(&self, ch: char) -> bool {
        ch.is_alphabetic() || ch == '_' || ch == '@' || !ch.is_ascii()
    }

    fn is_identifier_part(&self, ch: char) -> bool {
        self.is_identifier_start(ch) || ch.is_ascii_digit() || ch == '$'
    }

    fn is_delimited_identifier_start(&self, ch: char) -> bool {
        ch == '`'
    }

    fn identifier_quote_style(&self, _identifier: &str) -> Option<char> {
        Some('`')
    }

    fn parse_prefix(&self, parser: &mut Parser) -> Option<Result<Expr, ParserError>> {
        match self.budget.get().checked_sub(1) {
            Some(left) => self.budget.set(left),
            None => return Some(Err(ParserError::RecursionLimitExceeded)),
        }
        match &parser.peek_token_ref().token {
            Token::Word(Word { keyword: Keyword::INTERVAL, .. }) => {
                parser.advance_token();
                Some(parser.parse_interval())
            }
            // sqlparser takes any word for a name: `SELECT a, FROM t` would be a column called `from`.
            Token::Word(word) if is_misplaced(word, &parser.peek_nth_token_ref(1).token) => {
                Some(parser.expected_ref("an expression", parser.peek_token_ref()))
            }
            // `name -> 'path'` looks into JSON; any other arrow behind a name makes a function.
            Token::Word(_)
                if matches!(parser.peek_nth_token_ref(1).token, Token::Arrow)
                    && matches!(parser.peek_nth_token_ref(2).token, Token::SingleQuotedString(_)) =>
            {
                Some(parser.parse_identifier().map(Expr::Identifier))
            }
            Token::Word(Word { keyword, .. }) => {
                let bare = FORMS.contains(keyword) && parser.peek_nth_token_ref(1).token != Token::LParen;
                bare.then(|| parser.parse_identifier().map(Expr::Identifier))
            }
            // Both bind to the next operand alone.
            Token::ExclamationMark => Some(self.parse_unary(parser, UnaryOperator::Not)),
            Token::Tilde => Some(self.parse_unary(parser, UnaryOperator::BitwiseNot)),
            _ => None,
        }
    }

    fn get_next_precedence(&self, parser: &Parser) -> Option<Result<u8, ParserError>> {
        match &parser.peek_token_ref().token {
            Token::Assignment => Some(Ok(ASSIGNMENT_PRECEDENCE)),
            Token::Arrow | Token::LongArrow => Some(Ok(ARROW_PRECEDENCE)),
            Token::ShiftLeft | Token::ShiftRight => Some(Ok(SHIFT_PRECEDENCE)),
            Token::CustomBinaryOperator(_) => Some(Ok(self.prec_value(Precedence::MulDivModOp))),
            _ => None,
        }
    }

    fn prec_value(&self, prec: Precedence) -> u8 {
        match prec {
            Precedence::Caret => 45,
            Precedence::Pipe => 22,
            Precedence::Xor => 7,
            other => MySqlDialect {}.prec_value(other),
        }
    }

    fn is_reserved_for_identifier(&self, kw: Keyword) -> bool {
        FORMS.contains(&kw) || PREFIXES.contains(&kw) || kw == Keyword::STRUCT
    }

    fn ignores_wildcard_escapes(&self) -> bool {
        true
    }

    fn supports_bitwise_shift_operators(&self) -> bool {
        true
    }

    fn supports_bang_not_operator(&self) -> bool {
        true
    }

    fn supports_group_by_expr(&self) -> bool {
        true
    }

    fn supports_group_by_with_modifier(&self) -> bool {
        true
    }

    fn supports_order_by_all(&self) -> bool {
        true
    }

    fn supports_filter_during_aggregation(&self) -> bool {
        true
    }

    fn supports_window_function_null_treatment_arg(&self) -> bool {
        true
    }

    fn supports_named_fn_args_with_rarrow_operator(&self) -> bool {
        true
    }

    fn supports_lambda_functions(&self) -> bool {
        true
    }

    fn support_map_literal_syntax(&self) -> bool {
        true
    }

    fn supports_select_wildcard_exclude(&self) -> bool {
        true
    }

    fn supports_select_modifiers(&self) -> bool {
        true
    }

    fn supports_limit_comma(&self) -> bool {
        true
    }

    fn require_interval_qualifier(&self) -> bool {
        true
    }

    fn allow_extract_custom(&self) -> bool {
        true
    }

    fn supports_match_against(&self) -> bool {
        false
    }

    fn supports_parens_around_table_factor(&self) -> bool {
        true
    }

    fn supports_cross_join_constraint(&self) -> bool {
        true
    }

    fn supports_data_type_signed_suffix(&self) -> bool {
        true
    }

    fn supports_array_typedef_with_brackets(&self) -> bool {
        false
    }
}

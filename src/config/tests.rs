//! What only tests need of the grammar.

mod schema;

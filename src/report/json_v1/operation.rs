//! What became of an operation on one connection, as JSON.

use std::net::SocketAddr;

use serde::Serialize;

use crate::model::diagnostic::Diagnostic;
use crate::model::{Operation, Token};
use crate::reconcile::{Failure, FailureKind};

use super::{DiagnosticJson, ErrorJson, VERSION};

/// The document of an operation in one network namespace.
#[derive(Debug, Serialize)]
pub struct OperationJson<'a> {
    version: u32,
    netns: Option<&'a str>,
    token: String,
    op: &'static str,
    result: &'static str,
    local: Option<SocketAddr>,
    warnings: Vec<DiagnosticJson<'a>>,
    error: Option<ErrorJson<'a>>,
}

impl<'a> OperationJson<'a> {
    /// The document of an operation that was done. `local` is this end of a subflow that was created.
    pub fn done(
        netns: Option<&'a str>,
        token: Token,
        operation: &Operation,
        local: Option<SocketAddr>,
        warnings: &'a [Diagnostic],
    ) -> OperationJson<'a> {
        OperationJson {
            version: VERSION,
            netns,
            token: token.to_string(),
            op: operation.word(),
            result: "done",
            local,
            warnings: warnings.iter().map(|warning| DiagnosticJson::new(warning, &[])).collect(),
            error: None,
        }
    }

    /// The document of one that failed.
    pub fn failed(
        netns: Option<&'a str>,
        token: Token,
        operation: &Operation,
        failure: &'a Failure,
    ) -> OperationJson<'a> {
        let result = if failure.kind == FailureKind::Unanswered { "unanswered" } else { "refused" };
        let error = Some(ErrorJson::new(failure, &[]));
        OperationJson { result, error, ..OperationJson::done(netns, token, operation, None, &[]) }
    }
}

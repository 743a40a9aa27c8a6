//! The call that has the rules file read again.

use super::{
    Admin, Reply, Request,
    api::{Nothing, body, only},
};
use crate::domain::problem::Problem;
use http::Method;
use serde_json::json;
use std::sync::Arc;

impl Admin {
    /// Answers `POST /-/reload`.
    pub(super) async fn reload(&self, request: &Request) -> Result<Reply, Problem> {
        only(request, Method::POST)?;
        body::<Nothing>(request, "`{}`")?;
        match Arc::clone(&self.gateway).reload().await {
            Ok(warnings) => Ok(Reply::json(200, &json!({ "status": "reloaded", "warnings": warnings }))),
            Err(errors) => {
                let problem = Problem::new(422, "Rules file refused", "The rules before it stay in force; `errors` says what is wrong.");
                Ok(Reply::problem(&problem).with_member("errors", &errors))
            }
        }
    }
}

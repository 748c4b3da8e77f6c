//! The documents are true: every link leads somewhere, every name they mention exists, every name that exists is mentioned.
//!
//! Each rule is a function from documents to complaints, and is shown a planted fault besides the real documents.
#![allow(clippy::disallowed_methods, reason = "a test reads the repository")]
#![allow(clippy::unwrap_used, reason = "a test may fail anywhere, its helpers too")]

mod length;
mod links;
mod markdown;
mod names;
mod promises;
mod recipes;
mod trust;
mod upgrade;
mod words;

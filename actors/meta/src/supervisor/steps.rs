//! The spans of a snapshot job: all that is done for it, by whichever leader, is one trace.

use std::fmt::Display;
use std::future::Future;
use std::sync::{Mutex, PoisonError};

use actors_messages::supervisor::job_trace;
use runtime_actor::trace::{self, RootSpan};
use storage_catalog::Catalog;
use storage_model::JobId;
use storage_snapshot::upload::Progress;

const KIND: &str = "job_step";

/// Works on a step of a job, as a root in the trace of that job.
pub(super) fn of_job<T, E: Display, F: Future<Output = Result<T, E>>>(
    catalog: &Catalog,
    job: JobId,
    name: &'static str,
    work: F,
) -> impl Future<Output = Result<T, E>> + use<T, E, F> {
    let span = trace::span_in(job_trace(&catalog.identity().incarnation, job), KIND, name);
    span.label("job", job.to_string());
    span.around(work)
}

/// Works on a part of the running step.
pub(super) fn part<T, E: Display>(
    name: &'static str,
    work: impl Future<Output = Result<T, E>>,
) -> impl Future<Output = Result<T, E>> {
    trace::span(KIND, name).around(work)
}

/// A step of a job that has no id yet.
pub(super) fn unborn(name: &'static str) -> RootSpan {
    trace::span(KIND, name)
}

/// The upload, which is first the sections and then the manifest.
pub(super) struct Uploading(Mutex<(bool, Option<RootSpan>)>);

impl Uploading {
    pub(super) fn begin() -> Self {
        Self(Mutex::new((false, Some(trace::span(KIND, "sections")))))
    }

    /// When the last section is there, the manifest is next.
    pub(super) fn progress(&self, progress: &Progress) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if progress.sections_done >= progress.sections && !state.0 {
            if let Some(sections) = state.1.take() {
                sections.label("sections", progress.sections.to_string());
                sections.label("bytes", progress.bytes.to_string());
                sections.finish();
            }
            *state = (true, Some(trace::span(KIND, "manifest")));
        }
    }

    pub(super) fn end<T, E: Display>(self, result: &Result<T, E>) {
        let (_, span) = self.0.into_inner().unwrap_or_else(PoisonError::into_inner);
        match (span, result) {
            (Some(span), Ok(_)) => span.finish(),
            (Some(span), Err(error)) => span.fail(error),
            (None, _) => {}
        }
    }
}

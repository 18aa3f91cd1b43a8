//! An HTTP endpoint that takes events in batches and answers when they are durable.
//!
//! `POST /v1/events` takes a JSON array of envelopes, or one envelope a line with the content type
//! `application/x-ndjson`. All of a request is stored or nothing of it:
//!
//! | status | when | body |
//! |---|---|---|
//! | 200 | all events survive a power loss | `{"stored":2,"positions":["1.7","1.8"]}` |
//! | 400 | an event breaks a rule | `{"error":"invalid","index":1,"field":"timestamp","reason":".."}` |
//! | 408, 413 | the body is slow, or over 1 MiB or 1,000 events | `{"error":"..","reason":".."}` |
//! | 503 | 64 requests are under way, or the disk is full; `Retry-After` says when to come again | the same |
//!
//! Appending blocks on the disk, so it happens on the threads that tokio keeps for that; the store lets all that wait
//! share one sync. A real service would also check, before it takes the body, that the caller may write to the projects
//! that the envelopes name.
//!
//! Run it with `cargo run --example axum_ingest -- ./data 127.0.0.1:8080`, and stop it with Ctrl-C.

#![expect(clippy::print_stderr, reason = "a service tells its operator what went wrong")]

use std::error::Error as StdError;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Bytes, HttpBody as _};
use axum::extract::{DefaultBodyLimit, FromRequest as _, Json, Request, State};
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use envelog::{Batch, Error, Store};
use serde::Serialize;
use serde_json::value::RawValue;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

const BODY_BYTES_MAX: usize = 1 << 20;
const BODY_TIME_MAX: Duration = Duration::from_secs(10);
const EVENTS_MAX: usize = 1_000;
/// Requests under way: with the length of a body, the bound of the memory that they take.
const REQUESTS_MAX: usize = 64;

#[tokio::main]
async fn main() -> Result<(), Box<dyn StdError + Send + Sync>> {
    let mut arguments = std::env::args().skip(1);
    let directory = arguments.next().unwrap_or_else(|| "./data".to_owned());
    let address = arguments.next().unwrap_or_else(|| "127.0.0.1:8080".to_owned());
    let store = Store::open(directory)?;
    let listener = TcpListener::bind(address).await?;
    eprintln!("listening on {}", listener.local_addr()?);
    let stop = async {
        // Where the signal cannot be waited for, the service goes on until it is killed, which loses nothing.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    serve(listener, Ingest::new(store, REQUESTS_MAX), stop).await
}

/// Serves until `stop` is over, finishes the requests that are under way, and closes the store.
pub(crate) async fn serve(
    listener: TcpListener,
    ingest: Ingest,
    stop: impl Future<Output = ()> + Send + 'static,
) -> Result<(), Box<dyn StdError + Send + Sync>> {
    let store = ingest.store.clone();
    let routes = Router::new()
        .route("/v1/events", post(take))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(ingest);
    axum::serve(listener, routes).with_graceful_shutdown(stop).await?;
    tokio::task::spawn_blocking(move || store.close()).await??;
    Ok(())
}

/// The store, and how many requests more it has room for.
#[derive(Clone)]
pub(crate) struct Ingest {
    store: Store,
    room: Arc<Semaphore>,
}

impl Ingest {
    pub(crate) fn new(store: Store, requests_max: usize) -> Self {
        Self { store, room: Arc::new(Semaphore::new(requests_max)) }
    }
}

#[derive(Serialize)]
struct Stored {
    stored: usize,
    /// Epoch and seq of each event, in the order of the request.
    positions: Vec<String>,
}

async fn take(State(ingest): State<Ingest>, request: Request) -> Result<Json<Stored>, Refused> {
    // Taken before the body is read, so that a crowd is sent away at the door.
    let Ok(room) = Arc::clone(&ingest.room).try_acquire_owned() else {
        return Err(Refused::later("busy", "too many requests are under way", 1));
    };
    if request.body().size_hint().lower() > BODY_BYTES_MAX as u64 {
        let reason = format!("the body has more than {BODY_BYTES_MAX} bytes");
        return Err(Refused::new(StatusCode::PAYLOAD_TOO_LARGE, "body", reason));
    }
    let is_lines = is_ndjson(request.headers());
    let reading = tokio::time::timeout(BODY_TIME_MAX, Bytes::from_request(request, &()));
    let body = match reading.await {
        Ok(Ok(body)) => body,
        Ok(Err(rejection)) => {
            return Err(Refused::new(rejection.status(), "body", rejection.body_text()));
        }
        Err(_) => return Err(Refused::new(StatusCode::REQUEST_TIMEOUT, "slow", "the body took too long")),
    };
    let work = move || {
        // Given back when the work is done, also where the client has gone away.
        let _room = room;
        store_all(&ingest.store, &body, is_lines)
    };
    match tokio::task::spawn_blocking(work).await {
        Ok(outcome) => outcome.map(Json),
        Err(_) => Err(Refused::new(StatusCode::INTERNAL_SERVER_ERROR, "failed", "the request was given up")),
    }
}

fn is_ndjson(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    kind.eq_ignore_ascii_case("application/x-ndjson")
}

/// Stores all events of a body, or none. It blocks until they are durable.
fn store_all(store: &Store, body: &[u8], is_lines: bool) -> Result<Stored, Refused> {
    let mut batch = store.batch();
    if is_lines {
        let lines = body.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
        for line in lines.filter(|line| !line.is_empty()) {
            add(&mut batch, line)?;
        }
    } else {
        let items: Vec<&RawValue> = serde_json::from_slice(body).map_err(|error| {
            let reason = format!("expected an array; line {} column {}", error.line(), error.column());
            Refused::new(StatusCode::BAD_REQUEST, "malformed", reason)
        })?;
        for item in items {
            add(&mut batch, item.get().as_bytes())?;
        }
    }
    let acks = batch.commit()?;
    let positions: Vec<_> = acks.iter().map(|ack| ack.position.to_string()).collect();
    Ok(Stored { stored: positions.len(), positions })
}

fn add(batch: &mut Batch, json: &[u8]) -> Result<(), Refused> {
    let index = batch.len();
    if index == EVENTS_MAX {
        let reason = format!("more than {EVENTS_MAX} events in one request");
        return Err(Refused::new(StatusCode::PAYLOAD_TOO_LARGE, "body", reason));
    }
    batch.push_json(json).map_err(|error| Refused::from(error).at(index))
}

/// An answer that says what to do about it. It quotes nothing of the events.
struct Refused {
    status: StatusCode,
    retry_after_s: Option<u32>,
    problem: Problem,
}

#[derive(Serialize)]
struct Problem {
    error: &'static str,
    /// The event's place in the request, from 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    index: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<String>,
    reason: String,
}

impl Refused {
    fn new(status: StatusCode, error: &'static str, reason: impl Into<String>) -> Self {
        let problem = Problem { error, index: None, field: None, reason: reason.into() };
        Self { status, retry_after_s: None, problem }
    }

    fn later(error: &'static str, reason: &str, retry_after_s: u32) -> Self {
        let refused = Self::new(StatusCode::SERVICE_UNAVAILABLE, error, reason);
        Self { retry_after_s: Some(retry_after_s), ..refused }
    }

    fn at(mut self, index: usize) -> Self {
        self.problem.index = Some(index);
        self
    }
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        match error {
            Error::Invalid { field, reason } => {
                let mut refused = Self::new(StatusCode::BAD_REQUEST, "invalid", reason);
                refused.problem.field = Some(field.into_owned());
                refused
            }
            Error::InBatch { index, source } => Self::from(*source).at(index),
            Error::TooLarge { .. } => Self::new(StatusCode::BAD_REQUEST, "too large", error.to_string()),
            Error::NoSpace { .. } => Self::later("full", "the disk is full; nothing was stored", 60),
            Error::SyncFailed { .. } => {
                eprintln!("{error}");
                let reason = "the events may be stored or not";
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, "unknown", reason)
            }
            // Names of files and the like are for the operator.
            error => {
                eprintln!("{error}");
                Self::later("unavailable", "the store takes no events now", 10)
            }
        }
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(self.problem)).into_response();
        if let Some(seconds) = self.retry_after_s {
            response.headers_mut().insert(RETRY_AFTER, seconds.into());
        }
        response
    }
}

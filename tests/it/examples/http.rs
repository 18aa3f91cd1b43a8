//! `axum_ingest` on a real socket.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::thread::JoinHandle;

use envelog::{Error, Store, Uuid};
use serde_json::{Value as Json, json};
use tempfile::TempDir;
use tokio::sync::oneshot;

use super::axum_ingest::{Ingest, serve};

const PROJECT: Uuid = Uuid::from_u128(2);

/// A service on a port of its own, stopped by `stop`.
struct Service {
    store: Store,
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    thread: JoinHandle<()>,
}

impl Service {
    fn start(directory: &Path, requests_max: usize) -> Self {
        let store = Store::open(directory.join("data")).unwrap();
        let ingest = Ingest::new(store.clone(), requests_max);
        let (stop, stopped) = oneshot::channel::<()>();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let thread = std::thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
            runtime.block_on(async {
                let listener = tokio::net::TcpListener::from_std(listener).unwrap();
                let stop = async {
                    // A sender that is gone stops the service as well.
                    let _ = stopped.await;
                };
                serve(listener, ingest, stop).await.unwrap();
            });
        });
        Self { store, address, stop, thread }
    }

    fn post(&self, kind: &str, body: &[u8]) -> Answer {
        let mut stream = self.begin(kind, body.len());
        stream.write_all(body).unwrap();
        Answer::read(stream)
    }

    /// Sends the head of a request whose body is to follow.
    fn begin(&self, kind: &str, body_len: usize) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).unwrap();
        write!(
            stream,
            "POST /v1/events HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\
             Content-Type: {kind}\r\nContent-Length: {body_len}\r\n\r\n"
        )
        .unwrap();
        stream
    }

    /// The first answer that is not 200: once the service has seen the head of a slow request and has room for one
    /// alone.
    fn until_busy(&self) -> Answer {
        let mut answers = (0..10_000).map(|_| self.post("application/json", b"[]"));
        answers.find(|answer| answer.status != 200).unwrap()
    }

    /// Begins a request of its own and returns when the service is at work on it, with the answer that another one gets
    /// meanwhile where there is room for one alone.
    fn post_slowly<'b>(&self, body: &'b str) -> (Slow<'b>, Answer) {
        let (first, rest) = body.as_bytes().split_at(10);
        let mut stream = self.begin("application/json", body.len());
        stream.write_all(first).unwrap();
        (Slow { stream, rest }, self.until_busy())
    }

    fn events(&self) -> u64 {
        self.store.project(PROJECT).view().unwrap().events().count().unwrap()
    }

    fn stop(self) -> Store {
        self.stop.send(()).unwrap();
        self.thread.join().unwrap();
        self.store
    }
}

/// A request whose body is not there yet.
struct Slow<'b> {
    stream: TcpStream,
    rest: &'b [u8],
}

impl Slow<'_> {
    fn finish(mut self) -> Answer {
        self.stream.write_all(self.rest).unwrap();
        Answer::read(self.stream)
    }
}

#[derive(Debug)]
struct Answer {
    status: u16,
    retry_after: Option<String>,
    body: Json,
}

impl Answer {
    fn read(stream: TcpStream) -> Self {
        let mut reader = BufReader::new(stream);
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        let status = line.split(' ').nth(1).unwrap().parse().unwrap();
        let mut retry_after = None;
        loop {
            line.clear();
            reader.read_line(&mut line).unwrap();
            let Some((name, value)) = line.trim().split_once(": ") else { break };
            if name.eq_ignore_ascii_case("retry-after") {
                retry_after = Some(value.to_owned());
            }
        }
        let mut body = Vec::new();
        reader.read_to_end(&mut body).unwrap();
        Self { status, retry_after, body: serde_json::from_slice(&body).unwrap() }
    }
}

fn event(user: &str) -> Json {
    json!({
        "orgId": Uuid::from_u128(1).to_string(),
        "projectId": PROJECT.to_string(),
        "module": "shop",
        "eventType": "order.placed",
        "timestamp": "2024-05-31T10:00:00Z",
        "userId": user,
        "properties": {"amount": 4200},
    })
}

#[test]
fn an_array_and_lines_are_stored_and_durable_when_the_answer_comes() {
    let directory = TempDir::new().unwrap();
    let service = Service::start(directory.path(), 8);
    let array = json!([event("u_1"), event("u_2")]).to_string();
    let answer = service.post("application/json", array.as_bytes());
    assert_eq!((answer.status, &answer.body), (200, &json!({"stored": 2, "positions": ["1.1", "1.2"]})));
    assert!(service.store.durable().get() >= 2);

    let lines = format!("{}\n\r\n{}", event("u_1"), event("u_3"));
    let answer = service.post("application/x-ndjson; charset=utf-8", lines.as_bytes());
    assert_eq!((answer.status, &answer.body), (200, &json!({"stored": 2, "positions": ["1.3", "1.4"]})));
    assert!(service.store.durable().get() >= 4);

    let view = service.store.project(PROJECT).view().unwrap();
    let users: Vec<_> =
        view.events().iter().map(|event| event.unwrap().user_id().unwrap().to_owned()).collect();
    assert_eq!(users, ["u_1", "u_2", "u_1", "u_3"]);
    assert_eq!(service.post("application/json", b"[]").body, json!({"stored": 0, "positions": []}));
    service.stop();
}

#[test]
fn a_bad_event_is_named_and_nothing_of_its_request_is_stored() {
    let directory = TempDir::new().unwrap();
    let service = Service::start(directory.path(), 8);
    let mut bad = event("u_3");
    bad["timestamp"] = json!("yesterday");
    let array = json!([event("u_1"), event("u_2"), bad.clone()]).to_string();
    let lines = format!("{}\n{}\n{bad}\n", event("u_1"), event("u_2"));
    for (kind, body) in [("application/json", array), ("application/x-ndjson", lines)] {
        let answer = service.post(kind, body.as_bytes());
        assert_eq!(answer.status, 400, "{answer:?}");
        assert_eq!(answer.body["index"], 2, "{answer:?}");
        assert_eq!(answer.body["field"], "timestamp", "{answer:?}");
        assert!(!answer.body["reason"].as_str().unwrap().contains("yesterday"), "{answer:?}");
    }
    // That a project belongs to another organisation is known when the batch is committed.
    service.post("application/json", json!([event("u_1")]).to_string().as_bytes());
    let mut foreign = event("u_2");
    foreign["orgId"] = json!(Uuid::from_u128(9).to_string());
    let answer = service.post("application/json", json!([event("u_1"), foreign]).to_string().as_bytes());
    assert_eq!((answer.status, &answer.body["index"]), (400, &json!(1)), "{answer:?}");
    assert_eq!(answer.body["field"], "orgId", "{answer:?}");

    for body in ["", "{}", "[{}", "[1]", "nonsense"] {
        assert_eq!(service.post("application/json", body.as_bytes()).status, 400, "{body}");
    }
    assert_eq!(service.events(), 1, "only the one good request");
    service.stop();
}

#[test]
fn a_body_that_is_too_long_is_refused() {
    let directory = TempDir::new().unwrap();
    let service = Service::start(directory.path(), 8);
    // What the answer to a body over the limit needs is its head alone.
    let answer = Answer::read(service.begin("application/json", (1 << 20) + 1));
    assert_eq!(answer.status, 413, "{answer:?}");
    let many = vec![event("u_1"); 1_001];
    let lines: Vec<_> = many.iter().map(Json::to_string).collect();
    let answer = service.post("application/x-ndjson", lines.join("\n").as_bytes());
    assert_eq!(answer.status, 413, "{answer:?}");
    let answer = service.post("application/x-ndjson", lines[..1_000].join("\n").as_bytes());
    assert_eq!((answer.status, &answer.body["stored"]), (200, &json!(1_000)), "{answer:?}");
    assert_eq!(service.events(), 1_000);
    service.stop();
}

#[test]
fn a_crowd_is_sent_away_at_the_door_and_told_when_to_come_again() {
    let directory = TempDir::new().unwrap();
    let service = Service::start(directory.path(), 1);
    let body = json!([event("u_1")]).to_string();
    let (slow, busy) = service.post_slowly(&body);
    assert_eq!((busy.status, busy.retry_after.as_deref()), (503, Some("1")), "{busy:?}");
    assert_eq!(slow.finish().status, 200);
    let after = service.post("application/json", body.as_bytes());
    assert_eq!((after.status, &after.body["stored"]), (200, &json!(1)), "{after:?}");
    assert_eq!(service.events(), 2);
    service.stop();
}

#[test]
fn a_stop_finishes_what_is_under_way_and_closes_the_store() {
    let directory = TempDir::new().unwrap();
    let service = Service::start(directory.path(), 1);
    let body = json!([event("u_1")]).to_string();
    // The stop comes after the service has begun with the request.
    let (slow, _) = service.post_slowly(&body);
    let Service { store, stop, thread, .. } = service;
    stop.send(()).unwrap();
    assert_eq!(slow.finish().status, 200);
    thread.join().unwrap();
    let refused = store.append(envelog::Envelope::from_json(event("u_1").to_string().as_bytes()).unwrap());
    assert!(matches!(refused, Err(Error::Closed)), "{refused:?}");
    drop(store);
    let store = Store::open(directory.path().join("data")).unwrap();
    assert!(store.recovery().clean);
    assert_eq!(store.project(PROJECT).view().unwrap().events().count().unwrap(), 1);
}

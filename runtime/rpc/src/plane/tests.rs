//! A Flight service behind the proof.

use super::*;
use arrow_flight::{
    Action, ActionType, Criteria, Empty, FlightData, FlightDescriptor, FlightInfo, HandshakeRequest, HandshakeResponse,
    PollInfo, PutResult, SchemaResult, Ticket,
};
use futures::stream::{BoxStream, StreamExt};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tonic::{Code, Response, Streaming};

struct Bodies;

type Reply<T> = Result<Response<T>, Status>;
type Replies<T> = BoxStream<'static, Result<T, Status>>;

#[tonic::async_trait]
impl FlightService for Bodies {
    type HandshakeStream = Replies<HandshakeResponse>;
    type ListFlightsStream = Replies<FlightInfo>;
    type DoGetStream = Replies<FlightData>;
    type DoPutStream = Replies<PutResult>;
    type DoActionStream = Replies<arrow_flight::Result>;
    type ListActionsStream = Replies<ActionType>;
    type DoExchangeStream = Replies<FlightData>;

    async fn do_get(&self, request: Request<Ticket>) -> Reply<Self::DoGetStream> {
        let size = String::from_utf8_lossy(&request.into_inner().ticket).parse::<usize>().unwrap();
        let data = FlightData { data_body: vec![7; size].into(), ..FlightData::default() };
        Ok(Response::new(futures::stream::once(async { Ok(data) }).boxed()))
    }
    async fn handshake(&self, _: Request<Streaming<HandshakeRequest>>) -> Reply<Self::HandshakeStream> {
        Err(Status::unimplemented("handshake"))
    }
    async fn list_flights(&self, _: Request<Criteria>) -> Reply<Self::ListFlightsStream> {
        Err(Status::unimplemented("list_flights"))
    }
    async fn get_flight_info(&self, _: Request<FlightDescriptor>) -> Reply<FlightInfo> {
        Err(Status::unimplemented("get_flight_info"))
    }
    async fn poll_flight_info(&self, _: Request<FlightDescriptor>) -> Reply<PollInfo> {
        Err(Status::unimplemented("poll_flight_info"))
    }
    async fn get_schema(&self, _: Request<FlightDescriptor>) -> Reply<SchemaResult> {
        Err(Status::unimplemented("get_schema"))
    }
    async fn do_put(&self, _: Request<Streaming<FlightData>>) -> Reply<Self::DoPutStream> {
        Err(Status::unimplemented("do_put"))
    }
    async fn do_action(&self, _: Request<Action>) -> Reply<Self::DoActionStream> {
        Err(Status::unimplemented("do_action"))
    }
    async fn list_actions(&self, _: Request<Empty>) -> Reply<Self::ListActionsStream> {
        Err(Status::unimplemented("list_actions"))
    }
    async fn do_exchange(&self, _: Request<Streaming<FlightData>>) -> Reply<Self::DoExchangeStream> {
        Err(Status::unimplemented("do_exchange"))
    }
}

fn token(token: Option<&str>) -> TokenSource {
    let token = token.map(str::to_owned);
    Arc::new(move || token.clone())
}

async fn get(address: &str, shown: Option<&str>, size: usize) -> Result<usize, Code> {
    get_over(None, address, shown, size).await.map_err(|status| status.code())
}

async fn get_over(tls: Option<Tls>, address: &str, shown: Option<&str>, size: usize) -> Result<usize, Status> {
    let channels = Channels::new(ShowProof::new(token(shown))).over(tls);
    let mut client = channels.flight(address).unwrap();
    let ticket = Ticket { ticket: size.to_string().into() };
    let mut stream = client.do_get(ticket).await?.into_inner();
    let data = stream.message().await?.unwrap();
    Ok(data.data_body.len())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_the_cluster_is_served_and_large_batches_pass() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let shutdown = CancellationToken::new();
    let check = CheckProof::new(token(Some("hush")));
    let services = Services::new(check).flight(FlightServiceServer::new(Bodies));
    let served = tokio::spawn(serve(None, services, listener, shutdown.clone()));
    assert_eq!(get(&address, Some("hush"), 10).await, Ok(10));
    assert_eq!(get(&address, Some("hush"), 20 << 20).await, Ok(20 << 20));
    assert_eq!(get(&address, Some("other"), 10).await, Err(Code::Unauthenticated));
    assert_eq!(get(&address, None, 10).await, Err(Code::Unauthenticated));
    for (shown, expected) in
        [(Some("hush"), Ok(())), (Some("other"), Err(Code::Unauthenticated)), (None, Err(Code::Unauthenticated))]
    {
        let channel = Channels::new(ShowProof::new(token(shown))).proven(&address).unwrap();
        let asked = FlightServiceClient::new(channel).do_get(Ticket { ticket: "10".into() }).await;
        assert_eq!(asked.map(|_| ()).map_err(|status| status.code()), expected, "{shown:?}");
    }
    shutdown.cancel();
    tokio::time::timeout(Duration::from_secs(5), served).await.unwrap().unwrap().unwrap();
    assert_eq!(get(&address, Some("hush"), 10).await, Err(Code::Unavailable));
}

#[test]
fn a_node_without_a_token_lets_nobody_in() {
    let mut check = CheckProof::new(token(None));
    let shown = ShowProof::new(token(Some("hush"))).call(Request::new(())).unwrap();
    assert_eq!(check.call(shown).unwrap_err().code(), Code::Unavailable);
    assert!(Channels::new(ShowProof::new(token(None))).to("not an address").is_err());
}

#[test]
fn the_proof_does_not_give_the_token_away() {
    let shown = ShowProof::new(token(Some("hush"))).call(Request::new(())).unwrap();
    let proof = shown.metadata().get(PROOF_KEY).unwrap().to_str().unwrap().to_owned();
    assert!(!proof.contains("hush") && proof.len() == 64);
}

async fn plane(tls: Option<Tls>) -> (String, tokio_util::sync::DropGuard) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let shutdown = CancellationToken::new();
    let check = CheckProof::new(token(Some("hush")));
    let services = Services::new(check).flight(FlightServiceServer::new(Bodies));
    tokio::spawn(serve(tls, services, listener, shutdown.clone()));
    (address, shutdown.drop_guard())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_plane_goes_over_the_same_tls() {
    let (server, caller, stranger) = crate::tls::tests::pair();
    let (address, _server) = plane(Some(server)).await;
    assert_eq!(get_over(Some(caller.clone()), &address, Some("hush"), 20 << 20).await.unwrap(), 20 << 20);
    let unproven = get_over(Some(caller.clone()), &address, None, 1).await.unwrap_err();
    assert_eq!(unproven.code(), Code::Unauthenticated);
    let distrusted = get_over(Some(stranger), &address, Some("hush"), 1).await.unwrap_err();
    assert!(causes(&distrusted).contains("does not trust the other's certificate"), "{}", causes(&distrusted));
    assert_eq!(distrusted.code(), Code::Unavailable);
    let plain = get_over(None, &address, Some("hush"), 1).await.unwrap_err();
    assert_eq!((plain.code(), plain.message()), (Code::Unauthenticated, "TLS is off at the caller and on here"));
    let (address, _server) = plane(None).await;
    let secure = get_over(Some(caller), &address, Some("hush"), 1).await.unwrap_err();
    assert!(causes(&secure).contains("TLS is on at this end and off at the other"), "{}", causes(&secure));
    assert_eq!(secure.code(), Code::Unavailable);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_does_not_say_that_it_speaks_http_2_is_let_go() {
    let (address, _serving) = plane(None).await;
    let mut silent = TcpStream::connect(&address).await.unwrap();
    // One that goes on, and one that does not.
    silent.write_all(b"PRI * HTTP/2.0").await.unwrap();
    let mut other = TcpStream::connect(&address).await.unwrap();
    other.write_all(b"POST / HTTP/1.1\r\n\r\n").await.unwrap();
    for stream in [&mut other, &mut silent] {
        let mut rest = Vec::new();
        // Closed, or reset over what was not read; at most it is told what is spoken here.
        let ended = tokio::time::timeout(Duration::from_secs(20), stream.read_to_end(&mut rest)).await.unwrap();
        assert!(rest.len() <= 9, "{ended:?} {rest:?}");
    }
    assert_eq!(get(&address, Some("hush"), 10).await, Ok(10));
}

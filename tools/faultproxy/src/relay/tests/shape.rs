//! Delays, rates, slices, resets and stops.

use super::*;

#[tokio::test(start_paused = true)]
async fn latency_is_a_directions_own_and_costs_no_bandwidth() {
    let mut it = bench(r#"{ "down": { "latencyMs": 300 } }"#);
    let start = Instant::now();
    it.client.write_all(b"quick").await.unwrap();
    receives(&mut it.upstream, b"quick").await;
    assert_eq!(start.elapsed().as_millis(), 0);
    let much = [7; 100_000];
    it.upstream.write_all(&much).await.unwrap();
    receives(&mut it.client, &much).await;
    assert!((300..305).contains(&start.elapsed().as_millis()));
}

async fn delays(number: u64, seed: u64) -> Vec<u128> {
    let faults = format!(r#"{{ "seed": {seed}, "up": {{ "latencyMs": 10, "jitterMs": 90 }} }}"#);
    let mut it = numbered(number, &faults);
    let mut delays = Vec::new();
    for n in 0..20 {
        let start = Instant::now();
        it.client.write_all(&[n]).await.unwrap();
        receives(&mut it.upstream, &[n]).await;
        delays.push(start.elapsed().as_millis());
    }
    delays
}

#[tokio::test(start_paused = true)]
async fn jitter_is_the_seeds_and_the_connections() {
    let first = delays(1, 5).await;
    assert!(first.iter().all(|ms| (10..=101).contains(ms)), "{first:?}");
    assert!(first.iter().max() > first.iter().min());
    assert_eq!(delays(1, 5).await, first);
    assert_ne!(delays(1, 6).await, first);
    assert_ne!(delays(2, 5).await, first);
}

#[tokio::test(start_paused = true)]
async fn jitter_keeps_the_order() {
    let mut it = bench(r#"{ "up": { "jitterMs": 1000 } }"#);
    for n in 0..100 {
        it.client.write_all(&[n]).await.unwrap();
        tokio::time::advance(Duration::from_millis(1)).await;
        tokio::task::yield_now().await;
    }
    receives(&mut it.upstream, &(0..100).collect::<Vec<u8>>()).await;
}

#[tokio::test(start_paused = true)]
async fn bandwidth_is_kept_within_a_twentieth() {
    let mut it = bench(r#"{ "down": { "bytesPerSec": 10000 } }"#);
    let start = Instant::now();
    it.upstream.write_all(&[1; 50_000]).await.unwrap();
    receives(&mut it.client, &[1; 50_000]).await;
    let took = start.elapsed().as_millis();
    assert!((4_750..=5_250).contains(&took), "{took} ms");
}

#[tokio::test(start_paused = true)]
async fn a_sender_waits_when_the_queue_is_full() {
    let mut it = bench(r#"{ "stop": "up" }"#);
    let much = vec![0; PIPE_BYTES + 2 * crate::sink::QUEUE_BYTES_MAX];
    let sent = it.client.write_all(&much);
    let sent = tokio::time::timeout(Duration::from_secs(60), sent).await;
    assert!(sent.is_err());
    is_silent(&mut it.upstream).await;
    // It lost nothing of what it took.
    it.set("{}");
    drop(it.client);
    let mut received = Vec::new();
    it.upstream.read_to_end(&mut received).await.unwrap();
    assert!(received.len() > PIPE_BYTES && received.len() < much.len());
}

#[tokio::test(start_paused = true)]
async fn slices_are_so_many_bytes_a_write() {
    // The upstream notes each write.
    let (client, mut far_client) = duplex(1 << 16);
    let (upstream, far_upstream) = duplex(1 << 16);
    let state = watch::Sender::new(state(r#"{ "up": { "slice": 3 } }"#));
    let seen = Writes::default();
    let upstream = Watched(upstream, seen.clone());
    let receiver = state.subscribe();
    let counters = Counters::default();
    let carried = relay(client, upstream, State::start(1), &receiver, &counters);
    let act = async {
        far_client.write_all(b"0123456789").await.unwrap();
        far_client.shutdown().await.unwrap();
        drop(far_upstream);
    };
    let _ = tokio::join!(carried, act);
    assert_eq!(*seen.lock().unwrap(), [3, 3, 3, 1]);
}

type Writes = Arc<std::sync::Mutex<Vec<usize>>>;

/// Notes the size of each write.
struct Watched(DuplexStream, Writes);

impl AsyncRead for Watched {
    fn poll_read(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
        buf: &mut tokio::io::ReadBuf<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        std::pin::Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for Watched {
    fn poll_write(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
        buf: &[u8],
    ) -> std::task::Poll<std::io::Result<usize>> {
        self.1.lock().unwrap().push(buf.len());
        std::task::Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        std::task::Poll::Ready(Ok(()))
    }

    fn poll_shutdown(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        std::task::Poll::Ready(Ok(()))
    }
}

#[tokio::test(start_paused = true)]
async fn reset_after_bytes_lets_exactly_so_many_through() {
    let mut it = bench(r#"{ "down": { "resetAfterBytes": 4 } }"#);
    it.upstream.write_all(b"0123456789").await.unwrap();
    receives(&mut it.client, b"0123").await;
    assert!(it.relay.await.unwrap().is_err());
    assert_eq!(it.client.read(&mut [0]).await.unwrap(), 0);
}

#[tokio::test(start_paused = true)]
async fn reset_after_bytes_meets_an_open_connection_that_is_past_it_at_its_next_byte() {
    let mut it = bench("{}");
    it.client.write_all(b"0123456789").await.unwrap();
    receives(&mut it.upstream, b"0123456789").await;
    it.set(r#"{ "up": { "resetAfterBytes": 4 } }"#);
    it.client.write_all(b"x").await.unwrap();
    assert!(it.relay.await.unwrap().is_err());
    assert_eq!(it.upstream.read(&mut [0]).await.unwrap(), 0);
}

#[tokio::test(start_paused = true)]
async fn stop_both_lets_no_byte_and_no_end_through_until_it_ends() {
    let mut it = bench("{}");
    it.client.write_all(b"hello").await.unwrap();
    receives(&mut it.upstream, b"hello").await;
    it.set(r#"{ "stop": "both" }"#);
    it.client.write_all(b"up").await.unwrap();
    it.client.shutdown().await.unwrap();
    it.upstream.write_all(b"down").await.unwrap();
    is_silent(&mut it.upstream).await;
    is_silent(&mut it.client).await;
    it.set("{}");
    receives(&mut it.upstream, b"up").await;
    receives(&mut it.client, b"down").await;
    assert_eq!(it.upstream.read(&mut [0]).await.unwrap(), 0);
}

#[tokio::test(start_paused = true)]
async fn stop_one_way_leaves_the_other() {
    let mut it = bench(r#"{ "stop": "up" }"#);
    it.client.write_all(b"up").await.unwrap();
    it.upstream.write_all(b"down").await.unwrap();
    receives(&mut it.client, b"down").await;
    is_silent(&mut it.upstream).await;
    it.set(r#"{ "stop": "down" }"#);
    receives(&mut it.upstream, b"up").await;
    it.upstream.write_all(b"again").await.unwrap();
    is_silent(&mut it.client).await;
}

#[tokio::test(start_paused = true)]
async fn a_side_that_is_gone_while_all_stands_still_is_not_told() {
    for last_words in ["", "last words"] {
        let mut it = bench(r#"{ "stop": "both" }"#);
        it.client.write_all(last_words.as_bytes()).await.unwrap();
        drop(it.client);
        is_silent(&mut it.upstream).await;
        assert!(!it.relay.is_finished());
    }
}

#[tokio::test(start_paused = true)]
async fn frozen_bytes_and_ends_go_on_after_the_thaw() {
    let mut it = bench("{}");
    it.state.send_replace(State::frozen());
    it.client.write_all(b"up").await.unwrap();
    it.client.shutdown().await.unwrap();
    it.upstream.write_all(b"down").await.unwrap();
    is_silent(&mut it.upstream).await;
    is_silent(&mut it.client).await;
    it.set("{}");
    receives(&mut it.upstream, b"up").await;
    receives(&mut it.client, b"down").await;
    assert_eq!(it.upstream.read(&mut [0]).await.unwrap(), 0);
}

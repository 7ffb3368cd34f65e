//! Bodies that stream through with a bound on their size and on every pause.

use std::future::Future;
use std::pin::Pin;
use std::sync::Mutex;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use tokio::time::{Instant, Sleep};

use crate::audit::OpenRecord;
use crate::decision::Ended;
use crate::gateway::admission::Place;
use crate::gateway::refusal::Refusal;

/// A body on its way through the gateway; trailers do not travel.
pub enum Body {
    /// Bytes at hand.
    Whole(Full<Bytes>),
    /// A stream from a client or an upstream.
    Stream(Box<Stream>),
}

/// A stream with its limits.
pub struct Stream {
    incoming: Incoming,
    left: u64,
    idle: Duration,
    pause: Option<Pin<Box<Sleep>>>,
    record: Option<(OpenRecord, u16)>,
    /// Given back with the stream.
    place: Option<Place>,
    /// Comes to its end when the stream must.
    ended: Option<Watch>,
}

/// Waits until a stream may not go on.
///
/// The mutex is never locked: it only lets a shared reference to the body cross threads.
type Watch = Mutex<Pin<Box<dyn Future<Output = Ended> + Send>>>;

/// Why a body ended early.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// More bytes than the limit.
    #[error("the body is too large")]
    TooLarge,
    /// Nothing came for too long.
    #[error("the body stalled")]
    Stalled,
    /// What the stream shows may not be seen any more.
    #[error("the right to the stream ended")]
    Ended,
    /// The connection failed.
    #[error("the connection failed: {0}")]
    Connection(#[from] hyper::Error),
}

impl Body {
    /// A body of bytes.
    pub fn whole(bytes: impl Into<Bytes>) -> Self {
        Self::Whole(Full::new(bytes.into()))
    }

    /// A body without bytes.
    #[must_use]
    pub fn empty() -> Self {
        Self::whole(Bytes::new())
    }

    /// Streams what comes in, at most `bytes_max` bytes, never silent for longer than `idle`.
    #[must_use]
    pub fn stream(incoming: Incoming, bytes_max: u64, idle: Duration) -> Self {
        if incoming.is_end_stream() {
            return Self::empty();
        }
        Self::Stream(Box::new(Stream {
            incoming,
            left: bytes_max,
            idle,
            pause: None,
            record: None,
            place: None,
            ended: None,
        }))
    }

    /// Ends the record when the body does; a body that breaks off leaves it abandoned.
    #[must_use]
    pub fn recorded(mut self, record: OpenRecord, place: Option<Place>, status: u16) -> Self {
        match &mut self {
            Self::Whole(_) => record.finish(status),
            Self::Stream(stream) => {
                stream.record = Some((record, status));
                stream.place = place;
            }
        }
        self
    }

    /// Breaks the body off when `ended` comes, if it is a stream without a known end.
    #[must_use]
    pub fn watched(mut self, ended: impl Future<Output = Ended> + Send + 'static) -> Self {
        if let Self::Stream(stream) = &mut self
            && stream.incoming.size_hint().exact().is_none()
        {
            stream.ended = Some(Mutex::new(Box::pin(ended)));
        }
        self
    }

    /// Reads the whole body.
    pub async fn collect_bytes(self) -> Result<Bytes, BodyError> {
        Ok(self.collect().await?.to_bytes())
    }
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match self.get_mut() {
            Self::Whole(full) => Pin::new(full).poll_frame(cx).map_err(|never| match never {}),
            Self::Stream(stream) => stream.poll_data(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(full) => full.is_end_stream(),
            Self::Stream(stream) => stream.incoming.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(full) => full.size_hint(),
            Self::Stream(stream) => stream.incoming.size_hint(),
        }
    }
}

impl Stream {
    fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        loop {
            match Pin::new(&mut self.incoming).poll_frame(cx) {
                Poll::Pending => return self.poll_pause(cx),
                Poll::Ready(None) => {
                    self.finish();
                    return Poll::Ready(None);
                }
                Poll::Ready(Some(Err(error))) => {
                    self.break_off("body-broke-off");
                    return Poll::Ready(Some(Err(error.into())));
                }
                Poll::Ready(Some(Ok(frame))) => {
                    self.pause = None;
                    let Ok(data) = frame.into_data() else { continue };
                    let Some(left) = self.left.checked_sub(data.len() as u64) else {
                        self.break_off("body-broke-off");
                        return Poll::Ready(Some(Err(BodyError::TooLarge)));
                    };
                    self.left = left;
                    return Poll::Ready(Some(Ok(Frame::data(data))));
                }
            }
        }
    }

    fn poll_pause(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if let Some(ended) = &mut self.ended
            && ended.get_mut().is_ok_and(|ended| ended.as_mut().poll(cx).is_ready())
        {
            self.break_off("access-ended");
            return Poll::Ready(Some(Err(BodyError::Ended)));
        }
        let idle = self.idle;
        let pause =
            self.pause.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(Instant::now() + idle)));
        let stalled = pause.as_mut().poll(cx).map(|()| Some(Err(BodyError::Stalled)));
        if stalled.is_ready() {
            self.break_off("body-broke-off");
        }
        stalled
    }

    fn finish(&mut self) {
        if let Some((record, status)) = self.record.take() {
            record.finish(status);
        }
    }

    fn break_off(&mut self, reason: &'static str) {
        if let Some((mut record, status)) = self.record.take() {
            record.note(|it| {
                it.status = Some(status);
                it.reason = Some(reason.into());
            });
        }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        // A body of known length is not asked for its end once its last byte was sent.
        if self.incoming.is_end_stream() {
            self.finish();
        } else {
            self.break_off("body-broke-off");
        }
    }
}

/// Reads a whole body of at most `bytes_max` bytes, which an answer to be filtered must be.
pub async fn collect_at_most(body: Body, bytes_max: u64) -> Result<Bytes, Refusal> {
    match Limited::new(body, usize::try_from(bytes_max).unwrap_or(usize::MAX)).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(Refusal::Unfilterable("the answer is too large")),
        Err(_) => Err(Refusal::Upstream("its answer broke off".into())),
    }
}

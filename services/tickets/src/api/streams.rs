//! Bytes kept in pieces, sent one after the other: each is read when the one before was taken, so that
//! a slow reader holds neither a transaction nor memory.

use futures_util::StreamExt;
use futures_util::stream::{BoxStream, try_unfold};
use kit::Fault;
use tonic::Status;

/// Sends the pieces from 0 on until there is none.
pub fn pieces<T, F, R>(read: F, message: fn(Vec<u8>) -> T) -> BoxStream<'static, Result<T, Status>>
where
    T: Send + 'static,
    F: Fn(i32) -> R + Send + 'static,
    R: Future<Output = Result<Option<Vec<u8>>, Fault>> + Send,
{
    try_unfold((read, 0), move |(read, position)| async move {
        let piece = read(position).await.map_err(Status::from)?;
        Ok(piece.map(|bytes| (message(bytes), (read, position + 1))))
    })
    .boxed()
}

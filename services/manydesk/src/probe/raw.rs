//! Calls by path, with messages known only by their descriptors.

use bytes::{Buf, BufMut};
use prost::Message;
use prost_reflect::DynamicMessage;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::transport::Channel;
use tonic::{Request, Status};

/// Messages as bytes.
#[derive(Default, Clone, Copy)]
struct Bytes;

impl Codec for Bytes {
    type Encode = Vec<u8>;
    type Decode = Vec<u8>;
    type Encoder = Bytes;
    type Decoder = Bytes;
    fn encoder(&mut self) -> Bytes {
        Bytes
    }
    fn decoder(&mut self) -> Bytes {
        Bytes
    }
}

impl Encoder for Bytes {
    type Item = Vec<u8>;
    type Error = Status;
    fn encode(&mut self, item: Vec<u8>, to: &mut EncodeBuf<'_>) -> Result<(), Status> {
        to.put_slice(&item);
        Ok(())
    }
}

impl Decoder for Bytes {
    type Item = Vec<u8>;
    type Error = Status;
    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<Vec<u8>>, Status> {
        let mut message = vec![0; from.remaining()];
        from.copy_to_slice(&mut message);
        Ok(Some(message))
    }
}

/// One call: all messages of the answer (at most 10 of a stream, for a moment).
pub async fn call(
    channel: &Channel,
    rule: &proto::Rule,
    token: &str,
    message: &DynamicMessage,
) -> Result<Vec<Vec<u8>>, Status> {
    let path = http::uri::PathAndQuery::from_static(rule.path);
    let mut request = Request::new(message.encode_to_vec());
    request.set_timeout(std::time::Duration::from_secs(10));
    if !token.is_empty() {
        let value = format!("Bearer {token}").parse().map_err(|_| Status::internal("the token is not printable"))?;
        request.metadata_mut().insert("authorization", value);
    }
    let mut client = tonic::client::Grpc::new(channel.clone()).max_decoding_message_size(kit::serve::MAX_MESSAGE_BYTES);
    client.ready().await.map_err(|e| Status::unavailable(e.to_string()))?;
    if !rule.server_streaming {
        return Ok(vec![client.unary(request, path, Bytes).await?.into_inner()]);
    }
    let mut stream = client.server_streaming(request, path, Bytes).await?.into_inner();
    let mut messages = Vec::new();
    while messages.len() < 10 {
        match tokio::time::timeout(std::time::Duration::from_millis(300), stream.message()).await {
            Ok(Ok(Some(message))) => messages.push(message),
            Ok(Ok(None)) | Err(_) => break,
            Ok(Err(status)) => return Err(status),
        }
    }
    Ok(messages)
}

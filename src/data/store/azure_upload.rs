//! Files that are put to Azure's blob storage. From Microsoft's pages on "Put Blob", "Put Block" and
//! "Put Block List".

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::TryStreamExt as _;
use percent_encoding::utf8_percent_encode;
use reqwest::Method;

use super::azure::Azure;
use super::exchange::{Ask, Content};
use super::parts::{at_once, part_size, parts};
use super::{StoreError, content_type};
use crate::aws::UNRESERVED;
use crate::data::checksum::{Algorithm, Checksum, Sum};
use crate::http::SentFile;

/// No blob may have more blocks.
const MOST_BLOCKS: u64 = 50_000;

impl Azure {
    pub(super) async fn put_at_once(&self, key: &str, file: &SentFile) -> Result<(), StoreError> {
        let bytes = file.read(0..file.length()).await;
        let bytes = bytes.map_err(StoreError::unreadable)?;
        let md5 = Checksum::of(Algorithm::Md5, &bytes).to_base64();
        let mut ask = Ask::new(Method::PUT, self.url(Some(key), "").await?)
            .header("x-ms-blob-type", "BlockBlob")
            .header("x-ms-blob-content-md5", &md5)
            .header("content-type", content_type(key));
        ask.content = Content::Bytes(bytes);
        ask.send(self).await.map(drop)
    }

    /// Puts a file in blocks, which become the blob by one last request. Blocks that never do are removed
    /// by the service itself after a week.
    pub(super) async fn put_in_blocks(&self, key: &str, file: &SentFile) -> Result<(), StoreError> {
        let size = part_size(file.length(), MOST_BLOCKS);
        let prefix = id_prefix();
        let mut whole = Sum::new(Algorithm::Md5);
        let count = parts(file, size, Some(&mut whole))
            .map_ok(|part| {
                let id = block_id(&prefix, part.index);
                async move {
                    let query = format!("comp=block&blockid={}", utf8_percent_encode(&id, UNRESERVED));
                    let mut ask = Ask::new(Method::PUT, self.url(Some(key), &query).await?)
                        .header("content-md5", &part.md5.to_base64());
                    ask.content = Content::Bytes(part.bytes);
                    ask.send(self).await
                }
            })
            .try_buffer_unordered(at_once(size))
            .try_fold(0, async |count, _| Ok(count + 1))
            .await?;
        file.check().map_err(StoreError::unreadable)?;
        let mut list = "<?xml version=\"1.0\" encoding=\"utf-8\"?><BlockList>".to_owned();
        for index in 0..count {
            list.push_str(&format!("<Latest>{}</Latest>", block_id(&prefix, index)));
        }
        list.push_str("</BlockList>");
        let mut ask = Ask::new(Method::PUT, self.url(Some(key), "comp=blocklist").await?)
            .header("x-ms-blob-content-md5", &whole.finish().to_base64())
            .header("x-ms-blob-content-type", content_type(key))
            .header("content-type", "application/xml");
        ask.content = Content::Bytes(list.into());
        ask.send(self).await.map(drop)
    }
}

/// The part of the blocks' ids that no other upload has: two may go to one blob at the same time.
fn id_prefix() -> String {
    let mut prefix = uuid::Uuid::new_v4().simple().to_string();
    prefix.truncate(26);
    prefix
}

/// All ids of a blob's blocks must be of one length, also those that another program has left there:
/// this is the length that Microsoft's and MLflow's Python libraries give them.
fn block_id(prefix: &str, index: usize) -> String {
    STANDARD.encode(format!("{prefix}{index:06}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_blocks_are_of_one_length_and_differ() {
        let prefix = id_prefix();
        let ids = [0, 9, 10, 49_999].map(|index| block_id(&prefix, index));
        for id in &ids {
            assert_eq!(STANDARD.decode(id).unwrap().len(), 32, "{id}");
        }
        assert_eq!(std::collections::HashSet::from(ids).len(), 4);
        assert_ne!(id_prefix(), prefix);
    }
}

//! A file that is put to HDFS over HTTP: under a name of its own until it is whole. From Hadoop's page
//! "WebHDFS REST API".

use std::sync::PoisonError;
use std::time::Duration;

use percent_encoding::utf8_percent_encode;
use reqwest::{Method, StatusCode};
use serde::Deserialize;

use super::StoreError;
use super::exchange::{Ask, Content, FIRST_PAUSE, MOST_TRIES, redirect_target};
use super::webhdfs::{WebHdfs, strange};
use crate::aws::UNRESERVED;
use crate::http::SentFile;

/// How long it is tried to remove the beginning of a file that was given up: the run is about to end.
const REMOVAL_PATIENCE: Duration = Duration::from_secs(5);

#[derive(Deserialize)]
struct Done {
    boolean: bool,
}

impl WebHdfs {
    /// Puts the file to a path; the directories above it come by themselves.
    pub(super) async fn put_file(&self, path: &str, file: &SentFile) -> Result<(), StoreError> {
        let (directory, _) = path.rsplit_once('/').unwrap_or_default();
        let part = format!("{directory}/.incomplete-{}", uuid::Uuid::new_v4().simple());
        self.set_unfinished(Some(part.clone()));
        let put = async {
            self.create(&part, file).await?;
            // Until here nobody takes it for the file.
            file.check().map_err(StoreError::unreadable)?;
            if self.becomes(&part, path).await? {
                return Ok(());
            }
            // A file that is there is not replaced.
            self.delete(path).await?;
            match self.becomes(&part, path).await? {
                true => Ok(()),
                false => Err(strange(format!("it does not rename a file to '{path}'"))),
            }
        };
        let put = put.await;
        match put {
            Ok(()) => drop(self.set_unfinished(None)),
            Err(_) => self.remove_unfinished().await,
        }
        put
    }

    /// Asks the name node for a node that takes the file, which gets it. Another try may lead to another
    /// one.
    async fn create(&self, path: &str, file: &SentFile) -> Result<(), StoreError> {
        let mut tries = 1;
        loop {
            let problem = match self.try_to_create(path, file).await {
                Ok(()) => return Ok(()),
                Err(problem) => problem,
            };
            if tries == MOST_TRIES || !problem.is_transient() {
                return Err(problem);
            }
            tracing::debug!(try_number = tries, problem = %problem, "a file was not taken");
            tokio::time::sleep(FIRST_PAUSE * 2u32.pow(tries - 1)).await;
            tries += 1;
        }
    }

    async fn try_to_create(&self, path: &str, file: &SentFile) -> Result<(), StoreError> {
        let mut ask = self.ask(path, "CREATE", "&overwrite=true")?;
        ask.method = Method::PUT;
        ask.accepts = Some(StatusCode::TEMPORARY_REDIRECT);
        let from = ask.url.clone();
        let answer = ask.send_once(self).await?;
        let target = redirect_target(&from, &answer);
        let target = target.ok_or_else(|| strange("it names no node that takes the file".to_owned()))?;
        let mut ask = Ask::new(Method::PUT, target).header("content-type", "application/octet-stream");
        ask.content = Content::File(file.clone());
        ask.send_once(self).await.map(drop)
    }

    /// Whether what has arrived is the file now.
    async fn becomes(&self, part: &str, path: &str) -> Result<bool, StoreError> {
        match self.rename(part, path).await {
            Ok(true) => Ok(true),
            // The answer to an earlier try may have been lost.
            Ok(false) | Err(StoreError::Missing { .. }) => {
                Ok(!self.is_there(part).await? && self.is_there(path).await?)
            }
            Err(problem) => Err(problem),
        }
    }

    async fn is_there(&self, path: &str) -> Result<bool, StoreError> {
        match self.ask(path, "GETFILESTATUS", "")?.send(self).await {
            Ok(_) => Ok(true),
            Err(StoreError::Missing { .. }) => Ok(false),
            Err(problem) => Err(problem),
        }
    }

    /// Whether a file could be given another name.
    async fn rename(&self, from: &str, to: &str) -> Result<bool, StoreError> {
        let query = format!("&destination={}", utf8_percent_encode(to, UNRESERVED));
        let mut ask = self.ask(from, "RENAME", &query)?;
        ask.method = Method::PUT;
        done(&ask.text(self).await?)
    }

    /// Whether there was a file that could be removed.
    async fn delete(&self, path: &str) -> Result<bool, StoreError> {
        let mut ask = self.ask(path, "DELETE", "")?;
        ask.method = Method::DELETE;
        done(&ask.text(self).await?)
    }

    /// Removes the beginning of a file that became none.
    pub(super) async fn remove_unfinished(&self) {
        let Some(part) = self.set_unfinished(None) else {
            return;
        };
        match tokio::time::timeout(REMOVAL_PATIENCE, self.delete(&part)).await {
            Ok(Ok(_) | Err(StoreError::Missing { .. })) => {}
            _ => tracing::warn!("'{part}' could not be removed from HDFS"),
        }
    }

    fn set_unfinished(&self, part: Option<String>) -> Option<String> {
        let mut unfinished = self.unfinished.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut unfinished, part)
    }
}

fn done(answer: &str) -> Result<bool, StoreError> {
    let done: Done =
        serde_json::from_str(answer).map_err(|_| strange("it does not say whether it is done".to_owned()))?;
    Ok(done.boolean)
}

//! A file that is put to an FTP server: under a name of its own until it is whole.

use std::time::Duration;

use tokio::io::AsyncWriteExt as _;

use super::super::exchange::{BUFFERED_TIME, FIRST_PAUSE, MOST_TRIES};
use super::control::{Answer, Control, in_time};
use super::{Ftp, NAME, StoreError, strange};
use crate::http::{READ_TIMEOUT, SentFile};

/// How much is read and sent at a time.
const CHUNK: u64 = 256 * 1024;

/// How long it is tried to remove the beginning of a file that was given up: the run is about to end.
const REMOVAL_PATIENCE: Duration = Duration::from_secs(5);

impl Ftp {
    /// Puts the file to a path of the server, and makes the directories above it.
    pub(super) async fn put_file(&self, path: &str, file: &SentFile) -> Result<(), StoreError> {
        let (directory, _) = path.rsplit_once('/').unwrap_or_default();
        let part = format!("{directory}/.incomplete-{}", uuid::Uuid::new_v4().simple());
        let mut tries = 1;
        loop {
            *self.unfinished() = Some(part.clone());
            let problem = match self.try_to_put(path, &part, file).await {
                Ok(()) => {
                    self.unfinished().take();
                    return Ok(());
                }
                Err(problem) => problem,
            };
            if tries == MOST_TRIES || !problem.is_transient() {
                self.remove_unfinished().await;
                return Err(problem);
            }
            tracing::debug!(try_number = tries, problem = %problem, "a file was not taken");
            tokio::time::sleep(FIRST_PAUSE * 2u32.pow(tries - 1)).await;
            tries += 1;
        }
    }

    async fn try_to_put(&self, path: &str, part: &str, file: &SentFile) -> Result<(), StoreError> {
        let mut control = self.connect().await?;
        let (directory, _) = path.rsplit_once('/').unwrap_or_default();
        control.make_directories(directory).await?;
        control.store(&self.host, part, file).await?;
        // Until here nobody takes it for the file.
        file.check().map_err(StoreError::unreadable)?;
        if let Some(size) = control.size(part).await?.filter(|size| *size != file.length()) {
            return Err(StoreError::Damaged {
                reason: format!("it has {} bytes, and {size} arrived", file.length()),
            });
        }
        if !control.rename(part, path).await?.is_done() {
            // Some servers replace no file.
            control.command("DELE", path).await?;
            control.rename(part, path).await?.or_refused(&control.asker)?;
        }
        Ok(())
    }

    /// Removes the beginning of a file that became none.
    pub(super) async fn remove_unfinished(&self) {
        let Some(part) = self.unfinished().take() else {
            return;
        };
        let removed = async {
            let mut control = self.connect().await?;
            control.command("DELE", &part).await
        };
        match tokio::time::timeout(REMOVAL_PATIENCE, removed).await {
            // Where nothing has arrived there is nothing.
            Ok(Ok(answer)) if answer.is_done() || answer.code == 550 => {}
            _ => tracing::warn!("'{part}' could not be removed from {NAME} at {}", self.host),
        }
    }
}

impl Control {
    async fn make_directories(&mut self, path: &str) -> Result<(), StoreError> {
        let mut missing = Vec::new();
        let mut above = path;
        while !above.is_empty() && !self.is_directory(above).await? {
            missing.push(above);
            above = above.rsplit_once('/').map_or("", |(above, _)| above);
        }
        for directory in missing.into_iter().rev() {
            let answer = self.command("MKD", directory).await?;
            // Another upload may have made it meanwhile.
            if !answer.is_done() && !self.is_directory(directory).await? {
                answer.or_refused(&self.asker)?;
            }
        }
        Ok(())
    }

    async fn store(&mut self, host: &str, path: &str, file: &SentFile) -> Result<(), StoreError> {
        let mut data = self.passive(host).await?;
        let answer = self.command("STOR", path).await?;
        if !matches!(answer.code, 125 | 150) {
            return answer
                .or_refused(&self.asker)
                .and(Err(strange("it takes no file".to_owned())));
        }
        let mut offset = 0;
        while offset < file.length() {
            let end = file.length().min(offset + CHUNK);
            let bytes = file.read(offset..end).await.map_err(StoreError::unreadable)?;
            if let Err(error) = in_time(READ_TIMEOUT, data.write_all(&bytes)).await {
                // The server may have said why.
                if let Ok(answer) = self.answer().await {
                    answer.or_refused(&self.asker)?;
                }
                return Err(StoreError::broken(error));
            }
            offset = end;
        }
        data.shutdown().await.map_err(StoreError::broken)?;
        let answer = self.answer_within(READ_TIMEOUT + BUFFERED_TIME).await?;
        answer.or_refused(&self.asker)
    }

    async fn rename(&mut self, from: &str, to: &str) -> Result<Answer, StoreError> {
        let answer = self.command("RNFR", from).await?;
        match answer.code {
            350 => self.command("RNTO", to).await,
            _ => Ok(answer),
        }
    }
}

impl Answer {
    fn is_done(&self) -> bool {
        (200..300).contains(&self.code)
    }

    /// Nothing where the server did it; a file that cannot be written is not a missing one.
    fn or_refused(self, asker: &str) -> Result<(), StoreError> {
        match self.code {
            200..300 => Ok(()),
            550 => Err(StoreError::Refused {
                store: NAME,
                status: self.code,
                said: Some(self.text),
                credentials: asker.to_owned(),
            }),
            _ => self.expect(&[], asker).map(drop),
        }
    }
}

//! Who one is to a server behind HTTP: what the URL says, then what Git's own credential helpers and
//! `GIT_ASKPASS` say. Nobody is ever asked on the terminal.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::percent_decode_str;
use reqwest::Url;
use reqwest::header::HeaderValue;

use super::super::problem::GitProblem;
use super::super::program::git;
use super::super::task::Task;
use super::http_error::host_of;
use crate::process::ProcessError;
use crate::redact::Secret;

/// What is known, and what has been tried.
#[derive(Default)]
pub(super) struct Credentials {
    user: Option<String>,
    password: Option<Secret>,
    /// Whether the password is a helper's, who hears how it went.
    is_of_helper: bool,
    tried: Vec<String>,
}

impl Credentials {
    /// The ones in the URL, if any.
    pub(super) fn of(url: &Url) -> Self {
        let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
        Self {
            user: Some(decoded(url.username())).filter(|user| !user.is_empty()),
            password: url.password().map(|password| Secret::new(decoded(password))),
            is_of_helper: false,
            tried: Vec::new(),
        }
    }

    /// The value of the `Authorization` header, once there is something to say.
    pub(super) fn authorization(&self) -> Option<HeaderValue> {
        let password = self.password.as_ref()?.expose();
        let user = self.user.as_deref().unwrap_or_default();
        let text = format!("Basic {}", STANDARD.encode(format!("{user}:{password}")));
        let mut value = HeaderValue::from_str(&text).ok()?;
        value.set_sensitive(true);
        Some(value)
    }

    /// What has been tried, in words.
    pub(super) fn tried(&self) -> Vec<String> {
        let mut tried = self.tried.clone();
        if self.password.is_some() {
            tried.push(self.origin().to_owned());
        }
        if tried.is_empty() {
            tried.push("no credentials".to_owned());
        }
        tried
    }

    /// Finds other credentials after the server has refused these.
    ///
    /// # Errors
    /// There are none.
    pub(super) fn next(&mut self, url: &Url, offers_basic: bool, task: &Task<'_>) -> Result<(), GitProblem> {
        let was_of_helper = self.is_of_helper;
        if self.password.is_some() {
            self.tried.push(self.origin().to_owned());
            self.tell("reject", url, task);
            self.password = None;
        }
        let refuse = |mut tried: Vec<String>, last: String| {
            tried.push(last);
            GitProblem::Access {
                host: host_of(url),
                tried,
            }
        };
        if !offers_basic {
            let last = "no user and password, since the server does not take them".to_owned();
            return Err(refuse(std::mem::take(&mut self.tried), last));
        }
        if was_of_helper {
            return Err(refuse(
                std::mem::take(&mut self.tried),
                "no other credentials".to_owned(),
            ));
        }
        let answer = task.wait(
            git()
                .arguments(["credential", "fill"])
                .capture_with_input(self.description(url, None).as_bytes()),
        )?;
        match answer {
            Ok(text) => {
                let text = String::from_utf8_lossy(&text).into_owned();
                let value = |name: &str| {
                    let mut lines = text.lines();
                    lines.find_map(|line| line.strip_prefix(name)?.strip_prefix('=').map(str::to_owned))
                };
                self.user = value("username");
                self.password = Some(Secret::new(value("password").unwrap_or_default()));
                self.is_of_helper = true;
                Ok(())
            }
            Err(ProcessError::Missing { .. }) => Err(refuse(
                std::mem::take(&mut self.tried),
                "no credential helper, since there is no git program".to_owned(),
            )),
            Err(_) => Err(refuse(
                std::mem::take(&mut self.tried),
                "Git's credential helpers and GIT_ASKPASS, which know none".to_owned(),
            )),
        }
    }

    /// Tells the helper that the credentials were right.
    pub(super) fn approve(&self, url: &Url, task: &Task<'_>) {
        self.tell("approve", url, task);
    }

    fn tell(&self, verdict: &str, url: &Url, task: &Task<'_>) {
        if let (true, Some(password)) = (self.is_of_helper, &self.password) {
            let call = git().arguments(["credential", verdict]);
            let description = self.description(url, Some(password));
            // Only for the next time.
            let _ = task.wait(call.capture_with_input(description.as_bytes()));
        }
    }

    /// The text that `git credential` reads. A user with a line's end would end the line.
    fn description(&self, url: &Url, password: Option<&Secret>) -> String {
        let mut text = format!(
            "protocol={}\nhost={}\npath={}\n",
            url.scheme(),
            host_of(url),
            url.path().trim_start_matches('/')
        );
        let password = password.map(Secret::expose);
        for (name, value) in [("username", self.user.as_deref()), ("password", password)] {
            if let Some(value) = value.filter(|value| !value.contains(['\n', '\0'])) {
                text.push_str(&format!("{name}={value}\n"));
            }
        }
        text.push('\n');
        text
    }

    fn origin(&self) -> &'static str {
        if self.is_of_helper {
            "what Git's credential helpers or GIT_ASKPASS gave"
        } else {
            "the user and password in the URL"
        }
    }
}

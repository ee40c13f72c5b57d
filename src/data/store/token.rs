//! Access tokens of services that give them by OAuth.

pub(super) use crate::http::{Token, TokenCache as KeptToken};

use crate::http::{READ_TIMEOUT, TokenAnswer, in_words, innermost};

/// Sends a request for a token and reads the answer; the text says what went wrong.
pub(super) async fn ask(request: reqwest::RequestBuilder) -> Result<Token, String> {
    let exchange = async {
        let answer = request.send().await?;
        let status = answer.status();
        Ok::<_, reqwest::Error>((status, answer.text().await?))
    };
    let (status, text) = tokio::time::timeout(READ_TIMEOUT, exchange)
        .await
        .map_err(|_| format!("no answer within {}", in_words(READ_TIMEOUT)))?
        .map_err(|error| innermost(&error.without_url()))?;
    if !status.is_success() {
        let said: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
        let said = [&said["error_description"], &said["error"]]
            .into_iter()
            .find_map(serde_json::Value::as_str)
            .and_then(|said| said.lines().next());
        return Err(match said {
            Some(said) => format!("the answer was {status} ({said})"),
            None => format!("the answer was {status}"),
        });
    }
    let answer: TokenAnswer =
        serde_json::from_str(&text).map_err(|_| "the answer holds no access token".to_owned())?;
    Ok(answer.into())
}

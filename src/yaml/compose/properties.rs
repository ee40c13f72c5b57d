//! The tag and the anchor before a node.

use super::super::error::{Problem, YamlError};
use super::super::scanner::{Mark, Token, TokenKind, WrittenTag};
use super::{Composer, Properties};

impl Composer {
    /// Takes a tag and an anchor, in any order.
    pub(super) fn properties(&mut self) -> Result<Properties, YamlError> {
        let mut properties = Properties::default();
        let mut written: Option<(WrittenTag, Mark)> = None;
        // No further than both: an unknown tag counts before an error in what follows.
        while properties.anchor.is_none() || written.is_none() {
            let is_wanted = match self.scanner.peek()?.kind {
                TokenKind::Anchor(_) => properties.anchor.is_none(),
                TokenKind::Tag(_) => written.is_none(),
                _ => false,
            };
            if !is_wanted {
                break;
            }
            let Token { kind, start, .. } = self.scanner.take()?;
            properties.start.get_or_insert(start);
            match kind {
                TokenKind::Anchor(name) => properties.anchor = Some(name),
                TokenKind::Tag(tag) => written = Some((tag, start)),
                _ => {}
            }
        }
        if let Some((tag, mark)) = written {
            let name = self.tag_name(tag, mark)?;
            properties.has_lone_mark = name == "!";
            properties.tag = Some(name).filter(|name| name != "!");
        }
        Ok(properties)
    }

    fn tag_name(&self, tag: WrittenTag, mark: Mark) -> Result<String, YamlError> {
        let Some(handle) = tag.handle else {
            return Ok(tag.suffix);
        };
        match self.tag_handles.get(&handle) {
            Some(prefix) => Ok(format!("{prefix}{}", tag.suffix)),
            None => Err(YamlError::new(
                Problem::UnknownTagHandle { handle },
                mark.position(),
            )),
        }
    }
}

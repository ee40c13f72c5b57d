//! Tags, anchors, aliases and directives.

use super::super::error::{Problem, YamlError};
use super::cursor::{is_blank_or_end, is_space_or_end, is_word};
use super::{Directive, Scanner, TokenKind, WrittenTag};

impl Scanner {
    /// Takes `*name` or `&name`.
    pub(super) fn scan_anchor(&mut self, indicator: char) -> Result<(), YamlError> {
        let start = self.cursor.mark();
        self.cursor.skip(1);
        let name = self.cursor.take(self.cursor.count(is_word));
        let after = self.cursor.next();
        let ends = is_blank_or_end(after) || matches!(after, '?' | ':' | ',' | ']' | '}' | '%' | '@' | '`');
        if name.is_empty() || !ends {
            return Err(self.error(Problem::AnchorName { indicator }));
        }
        let kind = match indicator {
            '*' => TokenKind::Alias(name),
            _ => TokenKind::Anchor(name),
        };
        self.push_from(start, kind);
        Ok(())
    }

    /// Takes `!`, `!suffix`, `!handle!suffix` or `!<tag>`.
    pub(super) fn scan_tag(&mut self) -> Result<(), YamlError> {
        let start = self.cursor.mark();
        let tag = match self.cursor.peek(1) {
            '<' => {
                self.cursor.skip(2);
                let suffix = self.scan_tag_uri()?;
                if self.cursor.next() != '>' {
                    return Err(self.error(Problem::Tag));
                }
                self.cursor.skip(1);
                WrittenTag { handle: None, suffix }
            }
            after if is_blank_or_end(after) => {
                self.cursor.skip(1);
                WrittenTag {
                    handle: None,
                    suffix: "!".to_owned(),
                }
            }
            _ => {
                let handle = if self.has_tag_handle() {
                    self.scan_tag_handle()?
                } else {
                    self.cursor.take(1)
                };
                WrittenTag {
                    handle: Some(handle),
                    suffix: self.scan_tag_uri()?,
                }
            }
        };
        if !is_space_or_end(self.cursor.next()) {
            return Err(self.error(Problem::Tag));
        }
        self.push_from(start, TokenKind::Tag(tag));
        Ok(())
    }

    /// Whether the next word has a second `!`.
    fn has_tag_handle(&self) -> bool {
        let length = self
            .cursor
            .count_from(1, |character| character != '!' && !is_space_or_end(character));
        self.cursor.peek(1 + length) == '!'
    }

    /// Takes `!`, `!!` or `!name!`.
    fn scan_tag_handle(&mut self) -> Result<String, YamlError> {
        if self.cursor.next() != '!' {
            return Err(self.error(Problem::Tag));
        }
        if self.cursor.peek(1) == ' ' {
            return Ok(self.cursor.take(1));
        }
        let length = 1 + self.cursor.count_from(1, is_word);
        if self.cursor.peek(length) != '!' {
            self.cursor.skip(length);
            return Err(self.error(Problem::Tag));
        }
        Ok(self.cursor.take(length + 1))
    }

    /// Takes the characters of a URI, with `%XX` decoded.
    fn scan_tag_uri(&mut self) -> Result<String, YamlError> {
        let mut uri = String::new();
        loop {
            let length = self.cursor.count(|character| {
                character.is_ascii_alphanumeric() || "-;/?:@&=+$,_.!~*'()[]".contains(character)
            });
            self.cursor.take_into(length, &mut uri);
            if self.cursor.next() != '%' {
                break;
            }
            self.scan_uri_escapes(&mut uri)?;
        }
        if uri.is_empty() {
            return Err(self.error(Problem::Tag));
        }
        Ok(uri)
    }

    fn scan_uri_escapes(&mut self, uri: &mut String) -> Result<(), YamlError> {
        let start = self.cursor.mark();
        let mut bytes = Vec::new();
        while self.cursor.next() == '%' {
            self.cursor.skip(1);
            let digit = |offset| self.cursor.peek(offset).to_digit(16);
            let (Some(high), Some(low)) = (digit(0), digit(1)) else {
                return Err(self.error(Problem::Tag));
            };
            bytes.push(u8::try_from(high * 16 + low).expect("two hexadecimal digits are one byte"));
            self.cursor.skip(2);
        }
        let text = String::from_utf8(bytes).map_err(|_| YamlError::new(Problem::Tag, start.position()))?;
        uri.push_str(&text);
        Ok(())
    }

    /// Takes a line that begins with `%`.
    pub(super) fn scan_directive(&mut self) -> Result<(), YamlError> {
        let start = self.cursor.mark();
        self.cursor.skip(1);
        let name = self.cursor.take(self.cursor.count(is_word));
        if name.is_empty() || !is_space_or_end(self.cursor.next()) {
            return Err(self.error(Problem::Directive));
        }
        let directive = match name.as_str() {
            "YAML" => self.scan_version()?,
            "TAG" => self.scan_tag_declaration()?,
            _ => {
                self.cursor.skip_to_break();
                Directive::Unknown
            }
        };
        self.push_from(start, TokenKind::Directive(directive));
        self.end_line(Problem::Directive)
    }

    fn scan_version(&mut self) -> Result<Directive, YamlError> {
        self.cursor.skip_spaces();
        let major = self.scan_digits()?;
        if self.cursor.next() != '.' {
            return Err(self.error(Problem::Directive));
        }
        self.cursor.skip(1);
        self.scan_digits()?;
        if !is_space_or_end(self.cursor.next()) {
            return Err(self.error(Problem::Directive));
        }
        Ok(Directive::Version { major })
    }

    fn scan_digits(&mut self) -> Result<String, YamlError> {
        let length = self.cursor.count(|character| character.is_ascii_digit());
        if length == 0 {
            return Err(self.error(Problem::Directive));
        }
        Ok(self.cursor.take(length))
    }

    fn scan_tag_declaration(&mut self) -> Result<Directive, YamlError> {
        self.cursor.skip_spaces();
        let handle = self.scan_tag_handle()?;
        if self.cursor.next() != ' ' {
            return Err(self.error(Problem::Directive));
        }
        self.cursor.skip_spaces();
        let prefix = self.scan_tag_uri()?;
        if !is_space_or_end(self.cursor.next()) {
            return Err(self.error(Problem::Directive));
        }
        Ok(Directive::Tag { handle, prefix })
    }
}

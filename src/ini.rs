//! Files in the format of Python's configparser: sections, `key = value` or `key: value`, comments on their own
//! lines. An indented line below a key without a value, such as `s3 =`, is a setting of that key:
//! `s3.endpoint_url`.

use std::io;
use std::path::Path;

/// The contents of a file. Values may be credentials.
#[derive(Default)]
pub(crate) struct IniFile {
    sections: Vec<(String, Vec<(String, String)>)>,
    /// The number of the first invalid line, from 1. Its text is not kept: it could contain a token.
    pub(crate) malformed_line: Option<usize>,
}

impl IniFile {
    /// The file at this path; `None` if there is none.
    pub(crate) fn read(path: &Path) -> io::Result<Option<Self>> {
        match std::fs::read(path) {
            Ok(bytes) => Ok(Some(Self::parse(&String::from_utf8_lossy(&bytes)))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Parses the text, skipping invalid lines.
    pub(crate) fn parse(text: &str) -> Self {
        let mut file = Self::default();
        let mut parent: Option<String> = None;
        for (index, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
            let is_indented = line.starts_with(char::is_whitespace);
            let line = line.trim();
            if line.is_empty() || line.starts_with(['#', ';']) {
                continue;
            }
            if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.split(']').next()) {
                file.sections.push((name.trim().to_owned(), Vec::new()));
                parent = None;
                continue;
            }
            let (Some((key, value)), Some((_, entries))) =
                (line.split_once(['=', ':']), file.sections.last_mut())
            else {
                file.malformed_line.get_or_insert(index + 1);
                continue;
            };
            let (key, value) = (key.trim().to_ascii_lowercase(), value.trim());
            let key = match parent.as_ref().filter(|_| is_indented) {
                Some(parent) => format!("{parent}.{key}"),
                None => {
                    parent = value.is_empty().then(|| key.clone());
                    key
                }
            };
            if !value.is_empty() {
                entries.push((key, value.to_owned()));
            }
        }
        file
    }

    /// The names of all sections.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.sections.iter().map(|(name, _)| name.as_str())
    }

    /// The keys, in lower case, and values of a section.
    pub(crate) fn section(&self, name: &str) -> Option<&[(String, String)]> {
        let found = self.sections.iter().find(|(section, _)| section == name);
        found.map(|(_, entries)| entries.as_slice())
    }

    /// The value of a key in a section; the last one if there are several.
    pub(crate) fn value(&self, section: &str, key: &str) -> Option<&str> {
        let mut entries = self.section(section)?.iter().rev();
        entries
            .find(|(other, _)| other == key)
            .map(|(_, value)| value.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_read_as_configparser_reads_them() {
        let file = IniFile::parse(
            "\u{feff}; made by hand\n[DEFAULT]\nhost = https://a\nToken: t=1\n\n[ dev ]\r\nhost=https://b\n\
             empty =\ns3 =\n  url = c\n\tstyle = path\nlast = d\n",
        );
        let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        assert_eq!(
            file.section("DEFAULT"),
            Some(&[pair("host", "https://a"), pair("token", "t=1")][..])
        );
        assert_eq!(
            file.section("dev").unwrap(),
            [
                pair("host", "https://b"),
                pair("s3.url", "c"),
                pair("s3.style", "path"),
                pair("last", "d")
            ]
        );
        assert_eq!(file.names().collect::<Vec<_>>(), ["DEFAULT", "dev"]);
        assert_eq!(file.malformed_line, None);
        for (text, line) in [("[a]\nhost = x\nnonsense\n", 3), ("host = x\n", 1)] {
            assert_eq!(IniFile::parse(text).malformed_line, Some(line), "{text}");
        }
    }
}

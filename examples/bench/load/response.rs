//! A response of HTTP/1.1 as it comes in, and the messages in it.

use crate::lines::Lines;

/// What the head of a response says.
#[derive(Clone, Debug, Default)]
pub(crate) struct Head {
    pub(crate) status: u16,
    pub(crate) session: Option<String>,
    is_stream: bool,
    length: Option<usize>,
    is_chunked: bool,
}

/// One response after the other from a connection.
#[derive(Default)]
pub(crate) struct Responses {
    pub(crate) input: Lines,
    head: Option<Head>,
    body: Vec<u8>,
}

/// A whole response.
pub(crate) struct Response {
    pub(crate) head: Head,
    pub(crate) body: Vec<u8>,
}

impl Responses {
    /// Takes the next response if all of it was read.
    pub(crate) fn next(&mut self) -> anyhow::Result<Option<Response>> {
        if self.head.is_none() {
            let Some(length) = memchr::memmem::find(self.input.rest(), b"\r\n\r\n") else {
                return Ok(None);
            };
            let text = self.input.rest().get(..length).unwrap_or_default();
            self.head = Some(parse(&String::from_utf8_lossy(text))?);
            self.input.take(length + 4);
        }
        let Some(head) = &self.head else { return Ok(None) };
        let is_whole = match head {
            Head { is_chunked: true, .. } => self.chunks()?,
            Head { length: Some(length), .. } => {
                let whole = self.input.rest().get(..*length).map(<[u8]>::to_vec);
                let length = *length;
                if let Some(whole) = whole {
                    self.body = whole;
                    self.input.take(length);
                    true
                } else {
                    false
                }
            }
            Head { status: 202 | 204, .. } => true,
            Head { .. } => anyhow::bail!("a response without a length"),
        };
        if !is_whole {
            return Ok(None);
        }
        let body = std::mem::take(&mut self.body);
        Ok(self.head.take().map(|head| Response { head, body }))
    }

    /// Moves whole chunks to the body; says whether the last one came.
    fn chunks(&mut self) -> anyhow::Result<bool> {
        loop {
            let rest = self.input.rest();
            let Some(line) = memchr::memmem::find(rest, b"\r\n") else { return Ok(false) };
            let size = std::str::from_utf8(rest.get(..line).unwrap_or_default())?;
            let size = size.split(';').next().unwrap_or_default().trim();
            let size = usize::from_str_radix(size, 16)?;
            let (from, to) = (line + 2, line + 2 + size);
            if rest.len() < to + 2 {
                return Ok(false);
            }
            self.body.extend_from_slice(rest.get(from..to).unwrap_or_default());
            self.input.take(to + 2);
            if size == 0 {
                return Ok(true);
            }
        }
    }
}

impl Response {
    /// The messages of the body, JSON or events.
    pub(crate) fn messages(&self) -> Vec<&[u8]> {
        if !self.head.is_stream {
            return vec![&self.body];
        }
        let lines = self.body.split(|byte| *byte == b'\n');
        let data = lines.filter_map(|line| line.strip_prefix(b"data:"));
        data.map(<[u8]>::trim_ascii).filter(|data| !data.is_empty()).collect()
    }
}

fn parse(text: &str) -> anyhow::Result<Head> {
    let mut lines = text.split("\r\n");
    let status = lines.next().and_then(|line| line.split(' ').nth(1)).unwrap_or_default();
    let mut head = Head { status: status.parse()?, ..Head::default() };
    for line in lines {
        let Some((name, value)) = line.split_once(':') else { continue };
        let value = value.trim();
        match name.to_ascii_lowercase().as_str() {
            "content-length" => head.length = Some(value.parse()?),
            "transfer-encoding" => head.is_chunked = value.eq_ignore_ascii_case("chunked"),
            "content-type" => head.is_stream = value.starts_with("text/event-stream"),
            "mcp-session-id" => head.session = Some(value.to_owned()),
            _ => {}
        }
    }
    Ok(head)
}

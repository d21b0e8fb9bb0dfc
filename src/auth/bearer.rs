//! What a request presents: one token in one header, and nowhere else (RFC 6750, section 2.1;
//! OAuth 2.1, section 5.1.1).

use crate::auth::Refused;

/// The scheme of the header.
const SCHEME: &str = "bearer";
/// The parameter in which no token may be.
const PARAMETER: &str = "access_token";

/// Returns the token among the values of `Authorization`.
///
/// # Errors
///
/// If there is none, and if the request brings it in a way that it must not.
pub fn token<'h>(
    mut values: impl Iterator<Item = &'h [u8]>,
    query: Option<&str>,
) -> Result<&'h str, Refused> {
    let mut pairs = query.unwrap_or_default().split('&');
    if pairs.any(|pair| pair.split('=').next() == Some(PARAMETER)) {
        // It would be in the logs of everybody on the way.
        return Err(Refused::Malformed(
            "a token must not be part of an address; send `Authorization: Bearer TOKEN`",
        ));
    }
    let Some(value) = values.next() else { return Err(Refused::Missing) };
    if values.next().is_some() {
        return Err(Refused::Malformed("`Authorization` is there more than once"));
    }
    let malformed = || Refused::Malformed("`Authorization` must be `Bearer` and a token");
    let text = str::from_utf8(value).map_err(|_| malformed())?;
    let (scheme, token) = text.split_once(' ').ok_or_else(malformed)?;
    if !scheme.eq_ignore_ascii_case(SCHEME) {
        // Who comes in another way brings nothing that counts here (RFC 6750, section 3.1).
        return Err(Refused::Missing);
    }
    let token = token.trim_matches(' ');
    let is_token = !token.is_empty() && token.bytes().all(is_part);
    if is_token { Ok(token) } else { Err(malformed()) }
}

/// Returns whether a byte can be in a token (`b64token`, RFC 6750, section 2.1).
fn is_part(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::Refused;
    use super::token;

    fn read<'a>(values: &[&'a str], query: Option<&str>) -> Result<&'a str, Refused> {
        token(values.iter().map(|value| value.as_bytes()), query)
    }

    #[test]
    fn there_is_one_token_in_one_header() {
        assert_eq!(read(&["Bearer abc.d-e_f~+/="], None), Ok("abc.d-e_f~+/="));
        assert_eq!(read(&["bEARER  abc "], Some("a=b")), Ok("abc"));
        assert_eq!(read(&[], None), Err(Refused::Missing));
        assert_eq!(read(&["Basic abc"], None), Err(Refused::Missing));
        let malformed = [
            vec!["Bearer"],
            vec!["Bearer "],
            vec!["abc"],
            vec!["Bearer a b"],
            vec!["Bearer a\u{e9}"],
            vec!["Bearer a", "Bearer a"],
            vec![""],
        ];
        for values in malformed {
            assert!(matches!(read(&values, None), Err(Refused::Malformed(_))), "{values:?}");
        }
    }

    #[test]
    fn no_token_is_taken_from_an_address() {
        for query in ["access_token=abc", "a=b&access_token=", "access_token"] {
            for values in [vec![], vec!["Bearer abc"]] {
                let read = read(&values, Some(query));
                assert!(matches!(read, Err(Refused::Malformed(_))), "{query}");
            }
        }
        assert_eq!(read(&["Bearer abc"], Some("x=access_token")), Ok("abc"));
    }
}

//! Checks `tls` of `server`, and reads the files that it names.

use super::{
    Unset,
    diagnostics::Code,
    interpolate::{Origin, Value},
    problem::Problem,
    raw,
    text::quote,
    values::Checks,
};
use crate::receive::tls::{Files, Pem, Tls};
use std::{fs::File, io, io::Read, path::Path};

const MAX_FILE_BYTES: u64 = 1 << 20;

/// The certificate and key of the public listener. `None`: they cannot be used, which was said.
pub fn tls(raw: &raw::Tls<'_>, checks: &mut Checks<'_>) -> Option<Tls> {
    let (cert, key) = (path(raw.cert, "cert", checks), path(raw.key, "key", checks));
    let (cert, key) = (cert?, key?);
    let folder = checks.interpolator.folder;
    let files = Files { cert: folder.join(&*cert.text), key: folder.join(&*key.text) };
    let read = [(&cert, &files.cert), (&key, &files.key)].map(|(value, path)| match content(path) {
        Ok(content) => Some(content),
        Err(cause) => {
            unreadable(value, &cause, checks);
            None
        }
    });
    let [Some(cert_pem), Some(key_pem)] = read else { return None };
    match Tls::new(files, pem, &Pem { cert: cert_pem, key: key_pem }) {
        Ok(tls) => Some(tls),
        Err(error) => {
            let value = if error.is_of_certificate() { &cert } else { &key };
            checks.say(value, Code::InvalidCertificate, format!("the file {} cannot be served: {error}", quote(value.written)), None);
            None
        }
    }
}

fn path<'t>(scalar: Option<super::tree::Scalar<'t>>, key: &str, checks: &mut Checks<'_>) -> Option<Value<'t>> {
    let value = checks.setting(scalar)?;
    if value.text.contains("-----BEGIN") {
        let hint = "keep it in a file that only the gateway's user can read, and name that file".to_owned();
        checks.say(
            &value,
            Code::InvalidValue,
            format!("`{key}` of `tls` wants the path of a PEM file, found what belongs into it"),
            Some(hint),
        );
        return None;
    }
    if value.text.is_empty() || value.text.contains('\0') {
        checks.wrong(&value, &format!("`{key}` of `tls`"), "the path of a PEM file", None);
        return None;
    }
    (value.origin != Origin::Unset).then_some(value)
}

/// Where a file need not be there yet, that is only a warning.
fn unreadable(value: &Value<'_>, cause: &io::Error, checks: &mut Checks<'_>) {
    let message = format!("the file {} cannot be read: {cause}", quote(value.written));
    checks.problems.push(match checks.interpolator.unset {
        Unset::Error => Problem::error(Code::UnreadableValue, value.span, message)
            .help("a relative path starts from the folder of the rules file; the gateway's user has to be able to read it"),
        Unset::Placeholder | Unset::Dev => Problem::warning(Code::UnsetVariable, value.span, message),
    });
}

/// Reads both files, as often as they are looked at.
fn pem(files: &Files) -> io::Result<Pem> {
    Ok(Pem { cert: content(&files.cert)?, key: content(&files.key)? })
}

fn content(path: &Path) -> io::Result<Vec<u8>> {
    // Opening a pipe waits for whoever writes to it.
    if !path.metadata()?.is_file() {
        return Err(io::Error::other("it is not a file"));
    }
    let mut bytes = Vec::new();
    File::open(path)?.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Err(io::Error::other("it is larger than 1 MiB"));
    }
    Ok(bytes)
}

//! Checks `tls` of `server` and of destinations, and reads the files that they name.

use super::{
    Unset,
    diagnostics::Code,
    files,
    interpolate::{Origin, Value},
    problem::Problem,
    raw,
    text::quote,
    tree::Scalar,
    values::Checks,
};
use crate::{
    destination::certificates::{self, Certificates, Content, Part},
    domain::pem::Pem,
    receive::tls::{Files, Tls},
};
use std::{
    io,
    path::{Path, PathBuf},
};

const MAX_FILE_BYTES: u64 = 1 << 20;

/// The certificate and key of the public listener. `None`: they cannot be used, which was said.
pub fn tls(raw: &raw::Tls<'_>, checks: &mut Checks<'_>) -> Option<Tls> {
    let (cert, key) = (Named::read(raw.cert, "cert", checks), Named::read(raw.key, "key", checks));
    let (cert, key) = (cert?, key?);
    let pem = Pem { cert: cert.content, key: key.content };
    match Tls::new(Files { cert: cert.path, key: key.path }, pair, &pem) {
        Ok(tls) => Some(tls),
        Err(error) => {
            let value = if error.is_of_certificate() { &cert.value } else { &key.value };
            checks.say(value, Code::InvalidCertificate, format!("the file {} cannot be served: {error}", quote(value.written)), None);
            None
        }
    }
}

/// Authorities and a client certificate of a destination. `None`: they cannot be used, which was said.
pub fn client_tls(raw: &raw::ClientTls<'_>, checks: &mut Checks<'_>) -> Option<Certificates> {
    let [ca, cert, key] = [(raw.ca, "ca"), (raw.cert, "cert"), (raw.key, "key")].map(|(scalar, key)| Named::read(scalar, key, checks));
    let is_whole = ca.is_some() == raw.ca.is_some() && cert.is_some() == raw.cert.is_some() && key.is_some() == raw.key.is_some();
    let values = [&ca, &cert, &key].map(|named| named.as_ref().map(|named| named.value.clone()));
    let (ca_path, ca) = ca.map(|named| (named.path, named.content)).unzip();
    let (client, pem) = cert.zip(key).map(|(cert, key)| ((cert.path, key.path), Pem { cert: cert.content, key: key.content })).unzip();
    if ca.is_none() && client.is_none() {
        return None;
    }
    match Certificates::new(certificates::Files { ca: ca_path, client }, all, &Content { ca, client: pem }) {
        Ok(certificates) => Some(certificates).filter(|_| is_whole),
        Err((part, error)) => {
            let [ca, cert, key] = &values;
            let value = match part {
                Part::Ca => ca,
                Part::Cert => cert,
                Part::Key => key,
            };
            if let Some(value) = value {
                checks.say(value, Code::InvalidCertificate, format!("the file {} cannot be used: {error}", quote(value.written)), None);
            }
            None
        }
    }
}

/// A file that was named, with what is in it.
struct Named<'t> {
    value: Value<'t>,
    path: PathBuf,
    content: Vec<u8>,
}

impl<'t> Named<'t> {
    fn read(scalar: Option<Scalar<'t>>, key: &str, checks: &mut Checks<'_>) -> Option<Self> {
        let value = checks.setting(scalar)?;
        let path = path(&value, key, checks)?;
        let files = &mut checks.interpolator.files;
        files.note_certificate(&path);
        match files.read(&path, MAX_FILE_BYTES) {
            Ok(content) => Some(Self { value, path, content }),
            Err(cause) => {
                unreadable(&value, &cause, checks);
                None
            }
        }
    }
}

/// Where the file is. A value that is all of a `${file:…}` names that file too.
fn path(value: &Value<'_>, key: &str, checks: &mut Checks<'_>) -> Option<PathBuf> {
    let folder = checks.interpolator.folder;
    if value.text.contains("-----BEGIN") {
        if let Some(file) = value.reference().and_then(|reference| reference.strip_prefix("${file:")?.strip_suffix('}')) {
            return Some(folder.join(file));
        }
        let hint = "keep it in a file that only the gateway's user can read, and name that file".to_owned();
        checks.say(
            value,
            Code::InvalidValue,
            format!("`{key}` of `tls` wants the path of a PEM file, found what belongs into it"),
            Some(hint),
        );
        return None;
    }
    if value.text.is_empty() || value.text.contains('\0') {
        checks.wrong(value, &format!("`{key}` of `tls`"), "the path of a PEM file", None);
        return None;
    }
    (value.origin != Origin::Unset).then(|| folder.join(&*value.text))
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
fn pair(files: &Files) -> io::Result<Pem> {
    Ok(Pem { cert: content(&files.cert)?, key: content(&files.key)? })
}

/// The same for a destination's.
fn all(files: &certificates::Files) -> io::Result<Content> {
    let ca = files.ca.as_deref().map(content).transpose()?;
    let client = files.client.as_ref().map(|(cert, key)| Ok::<_, io::Error>(Pem { cert: content(cert)?, key: content(key)? }));
    Ok(Content { ca, client: client.transpose()? })
}

fn content(path: &Path) -> io::Result<Vec<u8>> {
    files::read(path, MAX_FILE_BYTES)
}

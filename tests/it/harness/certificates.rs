//! Certificates and keys for the tests, made anew each time.

use openssl::asn1::Asn1Time;
use openssl::bn::{BigNum, MsbOption};
use openssl::ec::{Asn1Flag, EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::rsa::Rsa;
use openssl::ssl::{SslAcceptor, SslMethod, SslVerifyMode};
use openssl::x509::extension::{BasicConstraints, ExtendedKeyUsage, KeyUsage, SubjectAlternativeName};
use openssl::x509::store::X509StoreBuilder;
use openssl::x509::{X509, X509Builder, X509NameBuilder};

/// A certificate with its key.
#[derive(Clone)]
pub(crate) struct Pair {
    pub(crate) certificate: X509,
    pub(crate) key: PKey<Private>,
}

pub(crate) fn ec_key() -> PKey<Private> {
    let mut group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
    group.set_asn1_flag(Asn1Flag::NAMED_CURVE);
    PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap()
}

pub(crate) fn rsa_key() -> PKey<Private> {
    PKey::from_rsa(Rsa::generate(2048).unwrap()).unwrap()
}

fn builder(name: &str, key: &PKey<Private>, issuer: Option<&Pair>) -> X509Builder {
    let mut subject = X509NameBuilder::new().unwrap();
    subject.append_entry_by_text("CN", name).unwrap();
    let subject = subject.build();
    let mut builder = X509::builder().unwrap();
    builder.set_version(2).unwrap();
    let mut serial = BigNum::new().unwrap();
    serial.rand(120, MsbOption::MAYBE_ZERO, false).unwrap();
    builder
        .set_serial_number(&serial.to_asn1_integer().unwrap())
        .unwrap();
    builder.set_subject_name(&subject).unwrap();
    builder
        .set_issuer_name(issuer.map_or(&subject, |issuer| issuer.certificate.subject_name()))
        .unwrap();
    builder
        .set_not_before(&Asn1Time::days_from_now(0).unwrap())
        .unwrap();
    builder
        .set_not_after(&Asn1Time::days_from_now(2).unwrap())
        .unwrap();
    builder.set_pubkey(key).unwrap();
    builder
}

fn finish(mut builder: X509Builder, key: PKey<Private>, issuer: Option<&Pair>) -> Pair {
    builder
        .sign(issuer.map_or(&key, |issuer| &issuer.key), MessageDigest::sha256())
        .unwrap();
    Pair {
        certificate: builder.build(),
        key,
    }
}

/// A certificate that signs others; its own where there is no issuer.
pub(crate) fn authority(name: &str, issuer: Option<&Pair>) -> Pair {
    let key = ec_key();
    let mut builder = builder(name, &key, issuer);
    builder
        .append_extension(BasicConstraints::new().critical().ca().build().unwrap())
        .unwrap();
    builder
        .append_extension(
            KeyUsage::new()
                .critical()
                .key_cert_sign()
                .crl_sign()
                .build()
                .unwrap(),
        )
        .unwrap();
    finish(builder, key, issuer)
}

/// A server's certificate for one host name or address; signed by itself where there is no issuer.
pub(crate) fn server(host: &str, issuer: Option<&Pair>) -> Pair {
    let key = ec_key();
    let mut builder = builder(host, &key, issuer);
    let mut names = SubjectAlternativeName::new();
    match host.parse::<std::net::IpAddr>() {
        Ok(_) => names.ip(host),
        Err(_) => names.dns(host),
    };
    let names = names
        .build(&builder.x509v3_context(issuer.map(|issuer| &*issuer.certificate), None))
        .unwrap();
    builder.append_extension(names).unwrap();
    finish(builder, key, issuer)
}

/// A client's certificate for this key.
pub(crate) fn client(key: PKey<Private>, issuer: &Pair) -> Pair {
    let mut builder = builder("client", &key, Some(issuer));
    builder
        .append_extension(ExtendedKeyUsage::new().client_auth().build().unwrap())
        .unwrap();
    finish(builder, key, Some(issuer))
}

/// A client's certificate whose time is over.
pub(crate) fn expired_client(key: PKey<Private>, issuer: &Pair) -> Pair {
    let mut builder = builder("client", &key, Some(issuer));
    let at = |seconds| Asn1Time::from_unix(seconds).unwrap();
    builder.set_not_before(&at(1_700_000_000)).unwrap();
    builder.set_not_after(&at(1_700_086_400)).unwrap();
    finish(builder, key, Some(issuer))
}

/// The server side of TLS. With `clients`, only clients with a certificate of that authority.
pub(crate) fn acceptor(server: &Pair, clients: Option<&Pair>) -> SslAcceptor {
    let mut builder = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls()).unwrap();
    builder.set_certificate(&server.certificate).unwrap();
    builder.set_private_key(&server.key).unwrap();
    if let Some(clients) = clients {
        let mut store = X509StoreBuilder::new().unwrap();
        store.add_cert(clients.certificate.clone()).unwrap();
        builder.set_verify_cert_store(store.build()).unwrap();
        builder.set_verify(SslVerifyMode::PEER | SslVerifyMode::FAIL_IF_NO_PEER_CERT);
    }
    builder.build()
}

pub(crate) fn pem(certificate: &X509) -> String {
    String::from_utf8(certificate.to_pem().unwrap()).unwrap()
}

pub(crate) fn text(pem: Vec<u8>) -> String {
    String::from_utf8(pem).unwrap()
}

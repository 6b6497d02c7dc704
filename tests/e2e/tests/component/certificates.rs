//! A certificate authority of this run of the tests, for clients that speak only https.

use std::net::Ipv4Addr;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose,
};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::PrivatePkcs8KeyDer;

/// A new authority, and a certificate of it for localhost. Its keys are never written to a file.
pub(crate) struct Authority {
    /// Its own certificate, for the clients, as PEM.
    pub(crate) pem: String,
    /// Serves with the certificate for localhost.
    pub(crate) tls: TlsAcceptor,
}

impl Authority {
    pub(crate) fn new() -> Authority {
        let key = || KeyPair::generate().expect("the system has random numbers");
        let mut own = CertificateParams::default();
        own.distinguished_name.push(DnType::CommonName, "The tests of pagerelay");
        own.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        own.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let authority = CertifiedIssuer::self_signed(own, key()).expect("a key signs");

        let names = [Ipv4Addr::LOCALHOST.to_string(), "localhost".to_owned()];
        let mut server = CertificateParams::new(names).expect("an address and a name");
        server.distinguished_name.push(DnType::CommonName, "localhost");
        server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        server.use_authority_key_identifier_extension = true;
        let key = key();
        let certificate = server.signed_by(&key, &authority).expect("the authority signs");
        let config = ServerConfig::builder_with_provider(default_provider().into())
            .with_safe_default_protocol_versions()
            .expect("the provider knows them")
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], PrivatePkcs8KeyDer::from(key.serialize_der()).into())
            .expect("the key is the certificate's");
        Authority { pem: authority.pem(), tls: TlsAcceptor::from(std::sync::Arc::new(config)) }
    }
}

// SPDX-License-Identifier: BSL-1.0
#pragma once

// A certificate and its key, made for one run of a test.

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <memory>
#include <stdexcept>
#include <string>

namespace test {

struct certificate_contents {
    std::string subject = "localhost";
    std::string names = "DNS:localhost,IP:127.0.0.1";  ///< in OpenSSL's way of writing; empty: none but the subject
    bool authority = false;                            ///< may sign others
    bool expired = false;
};

/// For this machine, signed by itself, valid now, unless said otherwise; in PEM form.
class certificate {
public:
    explicit certificate(certificate_contents contents = {}, const certificate* signed_by = nullptr)
        : key_(EVP_EC_gen("P-256")), certificate_(X509_new()) {
        X509* const x = certificate_.get();
        const certificate& issuer = signed_by != nullptr ? *signed_by : *this;
        X509_set_version(x, X509_VERSION_3);
        ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
        X509_gmtime_adj(X509_getm_notBefore(x), -3600);
        X509_gmtime_adj(X509_getm_notAfter(x), contents.expired ? -1800 : 3600);
        X509_set_pubkey(x, key_.get());
        X509_NAME* const name = X509_get_subject_name(x);
        const auto* const host = reinterpret_cast<const unsigned char*>(contents.subject.c_str());
        X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, host, -1, -1, 0);
        X509_set_issuer_name(x, X509_get_subject_name(issuer.certificate_.get()));
        if (contents.authority) extend(NID_basic_constraints, "critical,CA:TRUE");
        if (!contents.names.empty()) extend(NID_subject_alt_name, contents.names);
        if (X509_sign(x, issuer.key_.get(), EVP_sha256()) == 0) throw std::runtime_error{"no certificate"};
    }

    std::string text() const {
        return written([&](BIO* to) { return PEM_write_bio_X509(to, certificate_.get()); });
    }
    std::string key() const {
        return written(
            [&](BIO* to) { return PEM_write_bio_PrivateKey(to, key_.get(), nullptr, nullptr, 0, nullptr, nullptr); });
    }
    std::string key(std::string password) const {
        return written([&](BIO* to) {
            return PEM_write_bio_PKCS8PrivateKey(to, key_.get(), EVP_aes_128_cbc(), password.data(),
                                                 static_cast<int>(password.size()), nullptr, nullptr);
        });
    }

private:
    template <class T, auto Free>
    struct free_with {
        void operator()(T* p) const noexcept { Free(p); }
    };

    void extend(int kind, const std::string& value) {
        X509V3_CTX context;
        X509V3_set_ctx_nodb(&context);
        X509V3_set_ctx(&context, certificate_.get(), certificate_.get(), nullptr, nullptr, 0);
        const std::unique_ptr<X509_EXTENSION, free_with<X509_EXTENSION, &X509_EXTENSION_free>> made{
            X509V3_EXT_conf_nid(nullptr, &context, kind, value.c_str())};
        if (!made || X509_add_ext(certificate_.get(), made.get(), -1) != 1) throw std::runtime_error{value};
    }

    template <class Write>
    static std::string written(Write write) {
        const std::unique_ptr<BIO, free_with<BIO, &BIO_free_all>> to{BIO_new(BIO_s_mem())};
        if (write(to.get()) != 1) throw std::runtime_error{"not written as PEM"};
        char* text = nullptr;
        const long size = BIO_get_mem_data(to.get(), &text);
        return {text, static_cast<std::size_t>(size)};
    }

    std::unique_ptr<EVP_PKEY, free_with<EVP_PKEY, &EVP_PKEY_free>> key_;
    std::unique_ptr<X509, free_with<X509, &X509_free>> certificate_;
};

/// The same for all tests of a program: making one takes a while.
inline const certificate& any_certificate() {
    static const certificate one;
    return one;
}

}  // namespace test

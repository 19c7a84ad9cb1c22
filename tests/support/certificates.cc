#include "tests/support/certificates.h"

#include <stdlib.h>

#include <cstdlib>
#include <filesystem>

namespace gateway {
namespace {

constexpr char kNewKey[] =
    " -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes ";

}  // namespace

Certificates::Certificates() {
  folder_ =
      (std::filesystem::temp_directory_path() / "certificates_XXXXXX").string();
  if (mkdtemp(folder_.data()) == nullptr) std::abort();
  for (const std::string name : {"ca", "other"}) {
    Run("req -x509" + std::string(kNewKey) + "-keyout " + name + ".key -out " +
        name + ".pem -subj /CN=test-" + name + " -days 2");
  }
  Issue("good", "DNS:localhost,IP:127.0.0.1", "-days 2");
  Issue("wrong", "DNS:elsewhere.example", "-days 2");
  Issue("expired", "DNS:localhost,IP:127.0.0.1", "-days -1");
}

Certificates::~Certificates() { std::filesystem::remove_all(folder_); }

std::string Certificates::Path(const std::string& file) const {
  return folder_ + "/" + file;
}

void Certificates::Issue(const std::string& name,
                         const std::string& alternatives,
                         const std::string& validity) {
  Run("req -new" + std::string(kNewKey) + "-keyout " + name + ".key -out " +
      name + ".csr -subj /CN=x -addext subjectAltName=" + alternatives);
  Run("x509 -req -in " + name +
      ".csr -CA ca.pem -CAkey ca.key -CAcreateserial " + validity +
      " -copy_extensions copy -out " + name + ".pem");
}

void Certificates::Run(const std::string& command) const {
  const std::string line =
      "cd '" + folder_ + "' && openssl " + command + " 2>log";
  if (std::system(line.c_str()) != 0) std::abort();
}

}  // namespace gateway

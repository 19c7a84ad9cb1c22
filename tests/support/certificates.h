#ifndef GATEWAY_TESTS_SUPPORT_CERTIFICATES_H_
#define GATEWAY_TESTS_SUPPORT_CERTIFICATES_H_

#include <string>

namespace gateway {

// Certificates of an authority of the test's own, as PEM files in a folder that
// goes with it. `ca.pem` has signed all but `other.pem`, an authority that has
// signed none:
//   good     for localhost and 127.0.0.1
//   wrong    for elsewhere.example
//   expired  as good, until yesterday
// The key of `x.pem` is `x.key`.
class Certificates {
 public:
  Certificates();
  ~Certificates();
  Certificates(const Certificates&) = delete;
  Certificates& operator=(const Certificates&) = delete;

  std::string Path(const std::string& file) const;

 private:
  void Issue(const std::string& name, const std::string& alternatives,
             const std::string& validity);
  void Run(const std::string& command) const;

  std::string folder_;
};

}  // namespace gateway

#endif  // GATEWAY_TESTS_SUPPORT_CERTIFICATES_H_

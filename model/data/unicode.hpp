#pragma once

#include <string>
#include <string_view>
#include <variant>

namespace kith::data {

/// A file's text in UTF-8, without a byte order mark.
class Decoded {
 public:
  /// What is UTF-8 already is not copied, and must outlive this.
  Decoded(std::string_view text, std::string_view encoding) : text_(text), encoding_(encoding) {}
  Decoded(std::string&& made, std::string_view encoding)
      : made_(std::move(made)), encoding_(encoding) {}

  [[nodiscard]] std::string_view text() const { return made_.empty() ? text_ : made_; }
  [[nodiscard]] std::string_view encoding() const { return encoding_; }  ///< "UTF-8", "UTF-16", ...

 private:
  std::string_view text_;
  std::string made_;
  std::string_view encoding_;
};

/// Recognises UTF-8, UTF-16 of either byte order with or without a mark, and Windows-1252 (of which
/// ISO 8859-1 is a part), or says in a few words why it is none: "holds a ZIP archive ...".
[[nodiscard]] std::variant<Decoded, std::string> decode(std::string_view file);

[[nodiscard]] bool is_utf8(std::string_view text);
[[nodiscard]] bool is_ascii(std::string_view text);

/// The composed form (NFC), in which a letter with an accent is one character.  Requires UTF-8.
[[nodiscard]] std::string composed(std::string_view text);

}  // namespace kith::data

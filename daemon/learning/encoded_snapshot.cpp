#include "daemon/learning/encoded_snapshot.hpp"

#include "daemon/learning/worker_process.hpp"
#include "model/snapshot.hpp"

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <cstring>
#include <span>
#include <sys/stat.h>
#include <unistd.h>

namespace kith::daemon {
namespace {

void read_at(const pipe::Fd& file, std::uint64_t offset, std::span<std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t got = pread(file.get(), bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) {
      throw WorkerLost(std::string("cannot read the worker's snapshot: ") +
                       (got == 0 ? "it ends too early" : std::strerror(errno)));
    }
    bytes = bytes.subspan(static_cast<std::size_t>(got));
    offset += static_cast<std::uint64_t>(got);
  }
}

void check_form(const pipe::Fd& file, const SnapshotForm& form) {
  struct stat status {};
  const bool known = fstat(file.get(), &status) == 0;
  bool fits = known && static_cast<std::uint64_t>(status.st_size) == form.file_size();
  if (fits) {
    Bytes header(form.header.size());
    read_at(file, 0, header);
    fits = header == form.header;
  }
  if (!fits) throw WorkerLost("the worker handed over a snapshot of another form than M0 has");
}

}  // namespace

std::uint64_t SnapshotForm::file_size() const { return header.size() + values * sizeof(float); }

std::uint64_t SnapshotForm::encoded_size() const { return model::encoded_size(encoding, values); }

std::uint64_t SnapshotForm::chunks() const {
  const std::uint64_t most = model::values_per_chunk(encoding);
  return (values + most - 1) / most;
}

std::size_t SnapshotForm::values_in(std::uint64_t chunk) const {
  const std::uint64_t most = model::values_per_chunk(encoding);
  return static_cast<std::size_t>(std::min(most, values - chunk * most));
}

SnapshotForm form_of(ByteView initial, model::Encoding encoding) {
  const auto read = model::read_snapshot(initial);
  if (const auto* error = std::get_if<model::SnapshotError>(&read)) {
    throw WorkerLost("the worker handed over an initial model that is no snapshot: " + error->what);
  }
  const ByteView values = std::get<model::Snapshot>(read).values;
  const ByteView header = initial.first(initial.size() - values.size());
  return {Bytes(header.begin(), header.end()), values.size() / sizeof(float), encoding};
}

void encode_snapshot(const pipe::Fd& file, const SnapshotForm& form,
                     const std::function<void(ByteView chunk)>& take) {
  check_form(file, form);
  model::ChunkEncoder encoder(form.encoding);
  std::vector<float> values;
  std::uint64_t offset = form.header.size();
  for (std::uint64_t chunk = 0; chunk < form.chunks(); ++chunk) {
    values.resize(form.values_in(chunk));
    const auto bytes = std::as_writable_bytes(std::span(values));
    read_at(file, offset, bytes);
    take(encoder.encode(values));
    offset += bytes.size();
  }
}

SnapshotDecoder::SnapshotDecoder(const SnapshotForm& form)
    : form_(form), decoder_(form.encoding), file_("snapshot") {
  file_.append(form.header);
}

bool SnapshotDecoder::append(ByteView chunk) {
  if (next_ == form_.chunks()) return false;
  values_.resize(form_.values_in(next_));
  if (!decoder_.decode(chunk, values_)) return false;
  file_.append(std::as_bytes(std::span(values_)));
  ++next_;
  return true;
}

pipe::Fd SnapshotDecoder::seal() {
  assert(next_ == form_.chunks());
  return file_.seal();
}

}  // namespace kith::daemon

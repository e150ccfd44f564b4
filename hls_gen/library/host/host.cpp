// Purpose: runs the model on the card: prefill of a prompt, hand-over of the KV cache, decode. Uses XRT.
//
//   host <prefill.xclbin> <decode.xclbin> <folder of images> <tokens to decode> <stop token or -1> <prompt token>...
//
// Images: prefill/<port>.bin and decode/<port>.bin, as `flexdse pack` writes them. The tokens chosen are printed, one a
// line. Between the stages the host keeps the cache and lays it out as the ports of decode want it: layer, KV head, token,
// channel become, of each head lane, its own heads. Deployments (design.hpp): two bitstreams take turns on the card;
// co-resident kernels are of one bitstream, named twice, and all weights are on the card before the first token; two cards
// have a bitstream each.
#include <xrt/xrt_bo.h>
#include <xrt/xrt_device.h>
#include <xrt/xrt_kernel.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <fstream>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

#include "design.hpp"

namespace {

using bytes = std::vector<unsigned char>;

bytes read_image(const std::string& path, std::size_t expected) {
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  if (!file) throw std::runtime_error(path + " can not be read");
  const std::streamoff size = file.tellg();
  if (size < 0 || static_cast<std::size_t>(size) != expected) {
    throw std::runtime_error(path + " has " + std::to_string(size) + " bytes, the port takes " + std::to_string(expected));
  }
  bytes content(expected);
  file.seekg(0);
  file.read(reinterpret_cast<char*>(content.data()), size);
  return content;
}

// One stage on the card: its kernel and a buffer for each port, in the bank that the link connected.
class stage {
 public:
  stage(xrt::device& device, const xrt::uuid& bitstream, const design::stage_info& info, const std::string& images)
      : info_(info), kernel_(device, bitstream, info.kernel) {
    for (const design::port_info& port : info.ports) {
      xrt::bo buffer(device, port.bytes, kernel_.group_id(port.argument_index));
      if (port.image_bytes > 0) {
        const bytes image = read_image(images + "/" + info.kernel + "/" + port.name + ".bin", port.image_bytes);
        buffer.write(image.data(), image.size(), 0);
        buffer.sync(XCL_BO_SYNC_BO_TO_DEVICE);
      }
      buffers_.emplace(port.name, buffer);
    }
  }

  xrt::bo& buffer(const std::string& port) { return buffers_.at(port); }
  xrt::kernel& kernel() { return kernel_; }

  // A run with all ports set; the caller sets the scalars, and has brought to the card what is no image.
  xrt::run prepare() {
    xrt::run run(kernel_);
    for (const design::port_info& port : info_.ports) {
      xrt::bo& buffer = buffers_.at(port.name);
      run.set_arg(std::string(port.argument), buffer);
      if (port.is_written) run.set_arg(std::string(port.argument) + "_out", buffer);
    }
    return run;
  }

 private:
  const design::stage_info& info_;
  xrt::kernel kernel_;
  std::map<std::string, xrt::bo> buffers_;
};

void finish(xrt::run& run, const char* what) {
  run.start();
  if (run.wait() != ERT_CMD_STATE_COMPLETED) throw std::runtime_error(std::string(what) + " did not complete");
}

// A head's value of a token in a cache: integers of kKvBits, chunk after chunk, each token from a whole word on.
class cache_view {
 public:
  cache_view(const design::cache_info& info, unsigned char* data) : info_(info), data_(data) {}

  int get(std::size_t head, int token, int channel) const {
    const std::size_t bit = position(head, token, channel);
    if (design::kKvBits == 8) return static_cast<signed char>(data_[bit / 8]);
    return static_cast<signed char>(data_[bit / 8] << (4 - bit % 8)) >> 4;
  }

  void put(std::size_t head, int token, int channel, int value) const {
    const std::size_t bit = position(head, token, channel);
    if (design::kKvBits == 8) {
      data_[bit / 8] = static_cast<unsigned char>(value);
    } else {
      const unsigned shift = bit % 8;
      data_[bit / 8] = static_cast<unsigned char>((data_[bit / 8] & ~(0xfu << shift)) | (value & 0xf) << shift);
    }
  }

 private:
  std::size_t position(std::size_t head, int token, int channel) const {
    const int chunk = channel / info_.chunk;
    const std::size_t word = (head * design::kMaxTokens + token) * info_.words_per_token + chunk / info_.chunks_per_word;
    return word * info_.port_bits + (chunk % info_.chunks_per_word * info_.chunk + channel % info_.chunk) * design::kKvBits;
  }

  const design::cache_info& info_;
  unsigned char* data_;
};

// KV head h of a layer is head h / lanes of lane h mod lanes in decode.
void hand_over(const bytes& from, const design::cache_info& from_info, const std::vector<unsigned char*>& lanes,
               const design::cache_info& to_info, int tokens) {
  const cache_view source(from_info, const_cast<unsigned char*>(from.data()));
  const std::size_t lane_heads = (design::kKvHeads + lanes.size() - 1) / lanes.size();
  for (std::size_t layer = 0; layer < design::kLayers; ++layer) {
    for (std::size_t head = 0; head < design::kKvHeads; ++head) {
      const cache_view target(to_info, lanes[head % lanes.size()] + to_info.first_byte);
      for (int token = 0; token < tokens; ++token) {
        for (int channel = 0; channel < design::kHeadDim; ++channel) {
          target.put(layer * lane_heads + head / lanes.size(), token, channel,
                     source.get(layer * design::kKvHeads + head, token, channel));
        }
      }
    }
  }
}

// Rows of the embedding table, which lies on the ports of decode.
std::vector<float> embed(const std::string& images, const std::vector<int>& tokens) {
  std::vector<float> x(tokens.size() * design::kHidden);
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    const std::size_t port = tokens[i] / design::kEmbeddingRowsPerPort;
    const std::string path = images + "/decode/" + design::kEmbeddingPorts[port] + ".bin";
    std::ifstream table(path, std::ios::binary);
    table.seekg(static_cast<std::streamoff>(tokens[i] % design::kEmbeddingRowsPerPort) * design::kEmbeddingRowBytes);
    table.read(reinterpret_cast<char*>(&x[i * design::kHidden]), design::kHidden * sizeof(float));
    if (!table) throw std::runtime_error(path + " ends before the row of token " + std::to_string(tokens[i]));
  }
  return x;
}

// Block after block, channel after channel, the tokens of a block side by side.
bytes hidden_state(const std::vector<float>& x, std::size_t tokens, std::size_t size) {
  bytes content(size);
  for (std::size_t token = 0; token < tokens; ++token) {
    for (std::size_t channel = 0; channel < design::kHidden; ++channel) {
      const std::size_t vector = token / design::kTokensPerBlock * design::kHidden + channel;
      std::memcpy(&content[vector * design::kVectorBytes + token % design::kTokensPerBlock * sizeof(float)],
                  &x[token * design::kHidden + channel], sizeof(float));
    }
  }
  return content;
}

struct caches {
  bytes keys, values;
};

caches run_prefill(stage& prefill, const std::string& images, const std::vector<int>& prompt) {
  const std::vector<int> tokens(prompt.begin(), prompt.end() - 1);
  xrt::bo& io = prefill.buffer(design::kPrefillIo);
  const bytes state = hidden_state(embed(images, tokens), tokens.size(), io.size());
  io.write(state.data(), state.size(), 0);
  io.sync(XCL_BO_SYNC_BO_TO_DEVICE);
  xrt::run run = prefill.prepare();
  run.set_arg(std::string("tokens"), static_cast<int>(tokens.size()));
  run.set_arg(std::string("layers"), static_cast<int>(design::kLayers));
  finish(run, "prefill");
  caches result;
  for (const auto& [port, content] : {std::pair(design::kPrefillKeys, &result.keys), {design::kPrefillValues, &result.values}}) {
    xrt::bo& buffer = prefill.buffer(port);
    buffer.sync(XCL_BO_SYNC_BO_FROM_DEVICE);
    content->resize(buffer.size());
    buffer.read(content->data(), content->size(), 0);
  }
  return result;
}

std::vector<int> run_decode(xrt::device& device, stage& decode, const caches& from, const std::vector<int>& prompt,
                            int count, int stop_token) {
  const int position = static_cast<int>(prompt.size()) - 1;
  std::vector<unsigned char*> key_lanes, value_lanes;
  for (const char* port : design::kKeyPorts) key_lanes.push_back(decode.buffer(port).map<unsigned char*>());
  for (const char* port : design::kValuePorts) value_lanes.push_back(decode.buffer(port).map<unsigned char*>());
  hand_over(from.keys, design::kPrefillKeyCache, key_lanes, design::kDecodeKeyCache, position);
  hand_over(from.values, design::kPrefillValueCache, value_lanes, design::kDecodeValueCache, position);
  for (const char* port : design::kKeyPorts) decode.buffer(port).sync(XCL_BO_SYNC_BO_TO_DEVICE);
  for (const char* port : design::kValuePorts) decode.buffer(port).sync(XCL_BO_SYNC_BO_TO_DEVICE);

  std::vector<int> tokens(count, -1);
  xrt::bo out(device, tokens.size() * sizeof(int), decode.kernel().group_id(design::kTokensArgument));
  out.write(tokens.data(), tokens.size() * sizeof(int), 0);
  out.sync(XCL_BO_SYNC_BO_TO_DEVICE);
  xrt::run run = decode.prepare();
  run.set_arg(std::string("tokens_out"), out);
  run.set_arg(std::string("first_token"), prompt.back());
  run.set_arg(std::string("first_position"), position);
  run.set_arg(std::string("max_tokens"), count);
  run.set_arg(std::string("layers"), static_cast<int>(design::kLayers));
  run.set_arg(std::string("vocab"), design::kVocab);
  run.set_arg(std::string("stop_token"), stop_token);
  run.set_arg(std::string("top_k"), 1);
  run.set_arg(std::string("inverse_temperature"), 1.0f);
  run.set_arg(std::string("seed"), 1);
  finish(run, "decode");
  out.sync(XCL_BO_SYNC_BO_FROM_DEVICE);
  out.read(tokens.data(), tokens.size() * sizeof(int), 0);
  return tokens;
}

// Both stages, as the design is deployed.
std::vector<int> generate(const std::string& prefill_bitstream, const std::string& decode_bitstream, const std::string& images,
                          const std::vector<int>& prompt, int count, int stop_token) {
  if (design::kDeployment == design::deployment::two_bitstreams) {
    caches filled;
    {
      xrt::device device(0);
      stage prefill(device, device.load_xclbin(prefill_bitstream), design::kPrefill, images);
      filled = run_prefill(prefill, images, prompt);
    }
    xrt::device device(0);
    stage decode(device, device.load_xclbin(decode_bitstream), design::kDecode, images);
    return run_decode(device, decode, filled, prompt, count, stop_token);
  }
  const bool one_card = design::kDeployment == design::deployment::co_resident;
  if (one_card && prefill_bitstream != decode_bitstream) throw std::runtime_error("co-resident kernels are of one bitstream");
  xrt::device first(0);
  const xrt::uuid of_prefill = first.load_xclbin(prefill_bitstream);
  xrt::device second = one_card ? first : xrt::device(1);
  const xrt::uuid of_decode = one_card ? of_prefill : second.load_xclbin(decode_bitstream);
  stage prefill(first, of_prefill, design::kPrefill, images);
  stage decode(second, of_decode, design::kDecode, images);
  return run_decode(second, decode, run_prefill(prefill, images, prompt), prompt, count, stop_token);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 7) {
    std::fprintf(stderr, "usage: host <prefill.xclbin> <decode.xclbin> <images> <tokens> <stop token or -1> <prompt token>...\n");
    return 2;
  }
  try {
    const int count = std::atoi(argv[4]);
    std::vector<int> prompt;
    for (int i = 6; i < argc; ++i) {
      const int token = std::atoi(argv[i]);
      if (token < 0 || token >= design::kVocab) throw std::runtime_error(std::string(argv[i]) + " is no token of the model");
      prompt.push_back(token);
    }
    if (count < 1 || prompt.size() - 1 + count > static_cast<std::size_t>(design::kMaxTokens)) {
      throw std::runtime_error("prompt and tokens to decode exceed the cache of " + std::to_string(design::kMaxTokens));
    }
    for (int token : generate(argv[1], argv[2], argv[3], prompt, count, std::atoi(argv[5]))) {
      if (token < 0) break;  // decode stopped before
      std::printf("%d\n", token);
    }
  } catch (const std::exception& error) {
    std::fprintf(stderr, "host: %s\n", error.what());
    return 1;
  }
  return 0;
}

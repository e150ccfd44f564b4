// Purpose: the recorded trace and the schedule of its loops, as read from their text files.
#pragma once

#include <cstdint>
#include <fstream>
#include <iostream>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <vector>

namespace timed {

struct site_record {
  char kind = 's';  // p pipelined, f flattened into one, s sequential
  std::int64_t interval = 1;
  std::int64_t depth = 1;
  bool flushes = false;
  std::map<int, std::int64_t> offset;  // of an access within an iteration
};

struct stream_record {
  std::string name;
  std::int64_t depth;
};

struct port_record {
  std::string name;
  std::int64_t beat_millicycles = 1000;  // of a word, at least a cycle
  std::int64_t latency = 0;              // of the first word of a burst
  std::int64_t response = 0;             // from the last write to the end of the loop
  std::int64_t prefetched_words = 0;     // that outstanding bursts bring in ahead
};

struct access_record {
  char kind;
  int object;
  int line;
  std::string file;
};

struct item_record {
  bool is_node;
  int id;
};

struct run_record {
  int body;
  std::int64_t count;
};

struct group_record {
  std::int64_t repeats;
  std::vector<run_record> runs;
};

struct node_record {
  bool is_loop = true;
  int site = 0;
  std::vector<group_record> groups;
  std::vector<std::pair<int, int>> processes;  // body, process
  int line = 0;
  std::string file;
};

struct process_record {
  std::string name;
  int line;
  std::string file;
};

struct overheads {
  std::int64_t loop_entry = 1;
  std::int64_t loop_exit = 1;
  std::int64_t iteration = 1;  // of a loop that is not pipelined
  std::int64_t region_start = 1;
  std::int64_t region_end = 1;
};

struct trace {
  std::vector<site_record> sites;
  std::vector<stream_record> streams;
  std::vector<port_record> ports;
  std::vector<access_record> accesses;
  std::vector<process_record> processes;
  std::vector<std::vector<item_record>> bodies;
  std::vector<node_record> nodes;
  std::set<std::pair<int, int>> independent;  // sites: the second need not wait for the first
  overheads costs;
  int top = -1;

  // Records carry their number first and may come in any order.
  template <class T>
  static T& at(std::vector<T>& all, std::size_t i) {
    if (all.size() <= i) all.resize(i + 1);
    return all[i];
  }

  void read(const std::string& path) {
    std::ifstream in(path);
    if (!in) fail("no trace at " + path);
    std::string line;
    while (std::getline(in, line)) {
      std::istringstream words(line);
      std::string kind;
      std::size_t id = 0;
      words >> kind >> id;
      const std::size_t tab = line.find('\t');
      const std::string file = tab == std::string::npos ? "" : line.substr(tab + 1, line.find('\t', tab + 1) - tab - 1);
      if (kind == "site") {
        words >> at(sites, id).kind;
      } else if (kind == "stream") {
        stream_record& s = at(streams, id);
        words >> s.depth;
        std::getline(words >> std::ws, s.name);
      } else if (kind == "port") {
        words >> at(ports, id).name;
      } else if (kind == "access") {
        access_record& a = at(accesses, id);
        words >> a.kind >> a.object >> a.line;
        a.file = file;
      } else if (kind == "process") {
        process_record& p = at(processes, id);
        words >> p.line;
        std::string rest;
        std::getline(words >> std::ws, rest);
        p.name = rest.substr(0, rest.find('\t'));
        p.file = file;
      } else if (kind == "body") {
        std::size_t n;
        words >> n;
        std::vector<item_record>& body = at(bodies, id);
        body.reserve(n);
        char mark;
        int number;
        while (words >> mark >> number) body.push_back({mark == 'n', number});
      } else if (kind == "loop") {
        node_record& node = at(nodes, id);
        std::size_t groups;
        words >> node.site >> groups;
        for (std::size_t g = 0; g < groups; ++g) {
          group_record group;
          std::size_t n;
          words >> group.repeats >> n;
          for (std::size_t i = 0; i < n; ++i) {
            run_record run;
            words >> run.body >> run.count;
            group.runs.push_back(run);
          }
          node.groups.push_back(group);
        }
      } else if (kind == "region") {
        node_record& node = at(nodes, id);
        node.is_loop = false;
        std::size_t n;
        words >> node.line >> n;
        for (std::size_t i = 0; i < n; ++i) {
          int body, process;
          words >> body >> process;
          node.processes.push_back({body, process});
        }
        node.file = file;
      } else if (kind == "top") {
        top = static_cast<int>(id);
      }
    }
    if (top < 0) fail("the trace is not whole");
  }

  void read_schedule(const std::string& path) {
    std::ifstream in(path);
    if (!in) fail("no schedule at " + path);
    std::string line;
    while (std::getline(in, line)) {
      std::istringstream words(line);
      std::string kind;
      words >> kind;
      if (kind == "site") {
        std::size_t id;
        words >> id;
        site_record& s = sites.at(id);
        words >> s.kind >> s.interval >> s.depth >> s.flushes;
      } else if (kind == "offset") {
        std::size_t site;
        int access;
        std::int64_t cycles;
        words >> site >> access >> cycles;
        sites.at(site).offset[access] = cycles;
      } else if (kind == "port") {
        std::size_t id;
        words >> id;
        port_record& p = ports.at(id);
        words >> p.beat_millicycles >> p.latency >> p.response >> p.prefetched_words;
      } else if (kind == "independent") {
        int earlier, later;
        words >> earlier >> later;
        independent.insert({earlier, later});
      } else if (kind == "overheads") {
        words >> costs.loop_entry >> costs.loop_exit >> costs.iteration >> costs.region_start >> costs.region_end;
      } else if (kind == "depth") {
        std::size_t id;
        words >> id;
        words >> streams.at(id).depth;
      }
      if (words.fail() && kind != "") fail("a line of the schedule cannot be read: " + line);
    }
  }

  [[noreturn]] static void fail(const std::string& message) {
    std::cerr << message << '\n';
    std::exit(4);
  }
};

}  // namespace timed

// SPDX-License-Identifier: BSL-1.0
#pragma once

// The table of this server's sessions: each handler writes its own row, the dashboard reads them all.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../json.hpp"

namespace demo {

struct connection_figures {
    std::uint64_t messages = 0, bytes = 0, dropped = 0;
    std::size_t queued_bytes = 0, queued_messages = 0;
};

/// Thread-safe. Must outlive its rows.
class connections {
    using clock = std::chrono::steady_clock;

    struct record {
        std::string route, peer, label;
        clock::time_point opened = clock::now(), closed{};
        connection_figures figures;
        std::string state = "open";
        bool is_closed = false, cut = false;
    };
    using shared_record = std::shared_ptr<record>;

public:
    /// One session's row: a handle, copied freely. After end() it is shown for a few seconds more, so that one sees how
    /// it ended.
    class row {
    public:
        void update(const connection_figures& figures) const {
            const std::lock_guard lock(table_->mutex_);
            record_->figures = figures;
        }
        /// The first end counts.
        void end(std::string_view how) const {
            const std::lock_guard lock(table_->mutex_);
            if (std::exchange(record_->is_closed, true)) return;
            record_->closed = clock::now();
            record_->state = how;
        }
        /// Someone asked for this session to be cut.
        bool cut() const {
            const std::lock_guard lock(table_->mutex_);
            return record_->cut;
        }

    private:
        friend class connections;
        row(connections& table, shared_record at) : table_(&table), record_(std::move(at)) {}

        connections* table_;
        shared_record record_;  // shared: a handle may outlive its place in the table
    };

    row open(std::string_view route, std::string_view peer, std::string_view label = {}) {
        auto added = std::make_shared<record>();
        added->route = route;
        added->peer = peer;
        added->label = label;
        const std::lock_guard lock(mutex_);
        forget_old();
        records_.push_back(added);
        return {*this, std::move(added)};
    }

    /// Asks every open session of a route to end itself. Returns how many there are.
    std::size_t cut(std::string_view route) {
        const std::lock_guard lock(mutex_);
        std::size_t count = 0;
        for (const shared_record& r : records_) {
            if (r->is_closed || r->route != route) continue;
            r->cut = true;
            ++count;
        }
        return count;
    }

    std::string to_json() {
        const std::lock_guard lock(mutex_);
        forget_old();
        std::string out = "{\"sessions\":[";
        for (const shared_record& r : records_) (out += out.back() == '[' ? "" : ",") += to_json(*r);
        return out + "]}";
    }

private:
    static constexpr std::chrono::seconds shown_after_end{8};

    void forget_old() {
        const auto now = clock::now();
        std::erase_if(records_,
                      [now](const shared_record& r) { return r->is_closed && now - r->closed > shown_after_end; });
    }

    static std::string to_json(const record& r) {
        const auto age = (r.is_closed ? r.closed : clock::now()) - r.opened;
        const auto number = [](std::string_view name, auto value) {
            return ",\"" + std::string{name} + "\":" + std::to_string(value);
        };
        return "{\"route\":" + json::quoted(r.route) + ",\"peer\":" + json::quoted(r.peer) +
               ",\"label\":" + json::quoted(r.label) + ",\"state\":" + json::quoted(r.state) +
               ",\"closed\":" + (r.is_closed ? "true" : "false") +
               number("age_ms", std::chrono::duration_cast<std::chrono::milliseconds>(age).count()) +
               number("messages", r.figures.messages) + number("bytes", r.figures.bytes) +
               number("queued_bytes", r.figures.queued_bytes) + number("queued_messages", r.figures.queued_messages) +
               number("dropped", r.figures.dropped) + '}';
    }

    std::mutex mutex_;
    std::vector<shared_record> records_;
};

}  // namespace demo

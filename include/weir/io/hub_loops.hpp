// SPDX-License-Identifier: BSL-1.0
#pragma once

// The event loops of a hub's subscribers, and how a publish wakes them. Layer: io.

#include <weir/config.hpp>
#include <weir/io/loop.hpp>
#include <weir/session/fan_out.hpp>
#include <weir/session/hub_core.hpp>
#include <weir/session/hub_shard.hpp>
#include <weir/session/write_batch.hpp>
#include <weir/time.hpp>

#include WEIR_ASIO(any_io_executor.hpp)
#include WEIR_ASIO(error.hpp)
#include WEIR_ASIO(post.hpp)

#include <algorithm>
#include <cstddef>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

namespace weir::detail {

/// The subscribers of one executor: an io_context that one thread runs, or a strand.
class loop_shard final : public hub_shard {
public:
    loop_shard(std::shared_ptr<hub_core> core, std::unique_ptr<write_batch> batch, net::any_io_executor executor)
        : hub_shard(std::move(core), std::move(batch)), executor_(std::move(executor)), loop_(loop::of(executor_)) {}

    const net::any_io_executor& executor() const noexcept { return executor_; }
    time_point now() const noexcept override { return loop_.now(); }

private:
    void wake() override {
        net::post(executor_, [self = shared_from_this()] { self->turn(); });
    }
    error_code system_error(int number) const noexcept override { return {number, net::error::get_system_category()}; }

    const net::any_io_executor executor_;
    const loop& loop_;
};

/// A hub with its loops. A loop is known as long as somebody subscribes on it.
class hub_loops final : public hub_core {
public:
    hub_loops(any_store store, message_format format, hub_settings settings, batch_factory batches)
        : hub_core(std::move(store), std::move(format), std::move(settings)), batches_(std::move(batches)) {}

    /// The loop that `executor` stands for. Called on it.
    static std::shared_ptr<hub_shard> shard_of(const std::shared_ptr<hub_loops>& self,
                                               const net::any_io_executor& executor) {
        const std::lock_guard lock{self->mutex_};
        auto& shards = self->shards_;
        // Newest first: of strands, which are many, none is shared by chance.
        const auto recent = std::ssize(shards) > max_search ? shards.end() - max_search : shards.begin();
        for (auto at = shards.end(); at != recent;) {
            if (auto shard = (--at)->lock(); shard && shard->executor() == executor) return shard;
        }
        auto made = std::make_shared<loop_shard>(self, self->batches_ ? self->batches_() : nullptr, executor);
        shards.push_back(made);
        return made;
    }

    /// Ends the sessions on all loops.
    void close_sessions(milliseconds retry) {
        const std::lock_guard lock{mutex_};
        for (const auto& s : shards_) {
            if (const auto shard = s.lock()) shard->put_close(retry);
        }
    }

private:
    static constexpr std::ptrdiff_t max_search = 64;

    void on_unused(message_sink& by) noexcept override {
        const std::lock_guard lock{mutex_};
        std::erase_if(shards_, [&](const auto& s) {
            const auto shard = s.lock();
            return !shard || static_cast<message_sink*>(shard.get()) == &by;
        });
    }

    batch_factory batches_;
    std::mutex mutex_;                               // of the shards alone; nothing else is locked within
    std::vector<std::weak_ptr<loop_shard>> shards_;  // kept by their subscribers
};

}  // namespace weir::detail

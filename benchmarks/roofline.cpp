// How fast threads multiply at once, with the engine's own product: `unspool_rate`.

#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

#include "products.hpp"

// GF/s of so many threads together, each with `rows` rows times `panels` packed panels of its own, again and again.
extern "C" __attribute__((visibility("default"))) double unspool_rate(int64_t threads, int64_t rows, int64_t K, int64_t panels,
                                                                      double seconds) {
  using clock = std::chrono::steady_clock;
  constexpr int C = 4;
  std::atomic<int64_t> ready{0};
  std::vector<double> rates(threads);
  auto work = [&](int64_t thread) {
    std::vector<Operand> room(panels * deep(K) * C * V + 2 * V, Operand(1)), x(rows * deep(K), Operand(1));
    Operand* weights = room.data();  // a vector within one line of the caches, as the engine has them
    while (reinterpret_cast<uintptr_t>(weights) % BYTES) ++weights;
    std::vector<T> sums(rows * C * V);
    std::vector<const Operand*> at;
    for (int64_t r = 0; r < rows; ++r) at.push_back(x.data() + r * deep(K));
    auto once = [&] {
      for (int64_t p = 0; p < panels; ++p) step_product<C>(sums.data(), at.data(), rows, weights + p * deep(K) * C * V, deep(K), nullptr);
    };
    once();
    for (++ready; ready < threads;) std::this_thread::yield();
    int64_t times = 0;
    const auto start = clock::now();
    double passed = 0;
    for (; passed < seconds; passed = std::chrono::duration<double>(clock::now() - start).count(), ++times) once();
    rates[thread] = 2.0 * rows * K * panels * C * V * times / passed / 1e9;
  };
  std::vector<std::thread> others;
  for (int64_t thread = 1; thread < threads; ++thread) others.emplace_back(work, thread);
  work(0);
  for (auto& other : others) other.join();
  double sum = 0;
  for (const double rate : rates) sum += rate;
  return sum;
}

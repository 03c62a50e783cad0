// The figure: small multiples against m, theory as lines, measured values with their simultaneous intervals as points.
#include <algorithm>

#include <fmt/format.h>

#include "studies/noise/results.hpp"
#include "studies/noise/theory.hpp"

namespace normlab::noise {
namespace {

constexpr const char* colours[] = {"#0072B2", "#D55E00", "#009E73", "#CC79A7"};  // Okabe & Ito
constexpr int points[] = {7, 5, 9, 13};

struct Series {
    std::string title;
    Row row;
    std::string quantity;
    std::function<double(double)> theory;  // of m
    double from = 2;                       // the line begins here
    Distribution distribution = Distribution::normal;
    bool times_m = false;  // shown times m, so that what falls with 1/m can be seen
};

struct Panel {
    std::string title, y, settings;
    std::vector<Series> series;
};

std::vector<Panel> panels() {
    using namespace theory;
    using D = Distribution;
    const auto by_distribution = [](Row row, const char* quantity, auto of) {
        std::vector<Series> list;
        for (const D d : {D::normal, D::exponential, D::uniform})
            list.push_back(
                {std::string(name_of(d)), row, quantity, [=](double m) { return m * of(m, moments(d)); }, 2, d, true});
        return list;
    };
    const auto clusters = [](auto count) {
        return [=](double m) { return clusters_variance_of_mean(count(m), m / count(m), 0.5); };
    };
    return {
        {"Standard deviation and its inverses",
         "mean",
         "set yrange [0.4:4.3]; set key top right",
         {{"E[σ_B]", Row::sigma, "E[sigma_B]", mean_sigma},
          {"E[1/σ_B], ∞ at m = 2", Row::inverse_sigma, "E[1/sigma_B]", mean_inverse_sigma, 3},
          {"E[1/σ_B^2], ∞ at m ≤ 3", Row::inverse_variance, "E[1/var_B]", mean_inverse_variance, 3.9}}},
        {"Variance of the batch mean",
         "Var[μ_B]",
         "set logscale y; set format y '10^{%L}'; set key bottom left",
         {{"independent", Row::moments, "Var[mu_B]", variance_of_mean},
          {"m/2 clusters of 2, ρ = ½", Row::clusters, "Var[mu_B], m/2 of 2", clusters([](double m) { return m / 2; }),
           4},
          {"2 clusters of m/2, ρ = ½", Row::clusters, "Var[mu_B], 2 of m/2", clusters([](double) { return 2.0; }), 6}}},
        {"Variance of the variance", "m · Var[σ_B^2]", "set yrange [0:9.9]; set key at graph 0.98, graph 0.68",
         by_distribution(Row::variance_of_variance, "Var[var_B]",
                         [](double m, Moments d) { return variance_of_variance(m, d.kurtosis); })},
        {"Covariance of mean and variance", "m · Cov[μ_B, σ_B^2]",
         "set yrange [-0.4:2.6]; set key at graph 0.98, graph 0.62",
         by_distribution(Row::covariance, "Cov[mu_B, var_B]",
                         [](double m, Moments d) { return covariance(m, d.mu3); })},
        {"Train/eval gap, evaluated with",
         "E[(x̂_{train} − x̂_{eval})^2]",
         "set logscale y; set format y '10^{%L}'; set key top right",
         {{"population statistics", Row::gap, "gap", theory::gap},
          {"average of biased variances", Row::gap_biased, "gap", theory::gap_biased}}},
        {"x̂ in its own batch",
         "kurtosis of x̂",
         "set yrange [0.8:3.2]; set key bottom right",
         {{"3(m−1)/(m+1)", Row::x_hat, "kurtosis", x_hat_kurtosis}}},
        {"What passes relu, what passes backward",
         "mean",
         "set yrange [0:1.05]; set key at graph 0.98, graph 0.3",
         {{"E[relu(x̂)]", Row::relu, "E[relu(x_hat)]", mean_relu},
          {"fraction of the gradient, (m−2)/m", Row::gradient, "fraction passed", gradient_fraction}}},
        {"Batch renorm: clipping",
         "probability",
         "set logscale y; set format y '10^{%L}'; set yrange [1e-7:2]; set key top right",
         {{"r < 1/3", Row::clipping, "P(r < 1/3)", [](double m) { return clipped_r(m, 3); }},
          {"|d| > ½", Row::clipping, "P(|d| > 0.5)", [](double m) { return clipped_d(m, 0.5); }}}},
        {"Mean kept for evaluation",
         "its variance",
         "set logscale y; set format y '10^{%L}'; set key bottom left",
         {{"moving average, α = 0.1", Row::averages, "Var[moving mean]",
           [](double m) { return moving_average_variance(m, 0.1, 32); }},
          {"precise, 8 batches", Row::averages, "Var[precise mean]",
           [](double m) { return variance_of_mean(8 * m); }}}},
        {"Growth of the squared gradient",
         "factor a layer",
         "set yrange [0.9:3.3]; set key top right",
         {{"linear + BN, (m−2)/(m−3)", Row::growth, "linear + BN", [](double m) { return growth_linear(m).rate; }, 3.7},
          {"ReLU + BN", Row::growth, "relu + BN", [](double m) { return growth_relu(m).rate; }, 3.9},
          {"ReLU + BN, network", Row::growth, "relu + BN, network", nullptr},
          {"ReLU + LN, network", Row::growth, "relu + LN, network", [](double) { return 1.0; }}}}};
}

// A series' line and points as gnuplot data; the plot commands that draw them are appended to `plot`.
std::string draw_series(const Results& results, const Series& s, std::size_t panel, std::size_t index,
                        std::string& plot) {
    const double last = static_cast<double>(std::ranges::max(results.ms));
    std::string text;
    if (s.theory) {
        text += fmt::format("$line{}_{} << EOD\n", panel, index);
        constexpr int steps = 60;
        for (int i = 0; i <= steps && s.from <= last; ++i) {
            const double m = s.from * std::pow(last / s.from, static_cast<double>(i) / steps), v = s.theory(m);
            if (std::isfinite(v)) text += fmt::format("{} {}\n", m, v);
        }
        text += "NaN NaN\nEOD\n";
        plot += fmt::format("{}$line{}_{} using 1:2 with lines lw 1.6 lc rgb '{}' notitle", plot.empty() ? "" : ", ",
                            panel, index, colours[index]);
    }
    text += fmt::format("$points{}_{} << EOD\n", panel, index);
    for (const Cell& c : results.cells) {
        if (c.row != s.row || c.quantity != s.quantity || c.distribution != s.distribution) continue;
        if (c.method == Method::proportion && c.measured == 0) continue;  // nothing to show on a logarithmic axis
        const double by = s.times_m ? static_cast<double>(c.m) : 1;
        const bool interval = std::isfinite(c.low);  // where the law was judged the mean has none
        text +=
            fmt::format("{} {} {} {}\n", c.m, by * c.measured,
                        by * (interval ? std::max(c.low, c.method == Method::proportion ? 1e-9 : -1e300) : c.measured),
                        by * (interval ? c.high : c.measured));
    }
    text += "NaN NaN NaN NaN\nEOD\n";
    plot += fmt::format("{}$points{}_{} using 1:2:3:4 with yerrorbars pt {} ps 0.75 lw 1.3 lc rgb '{}' title '{}'",
                        plot.empty() ? "" : ", ", panel, index, points[index], colours[index], s.title);
    return text;
}

// Running means of 1/sigma_B at m = 2 and 1/var_B at m = 3 against the number of batches; the lines are the means
// capped at that number, which grow as its logarithm.
std::string diverging_panel(const Results& results) {
    std::string data, plot;
    std::size_t index = 0;
    for (const RunningMean& r : results.running_means) {
        const int power = r.quantity == "1/sigma_B" ? 1 : 2;
        if (r.m != power + 1 || index > 1) continue;
        data += fmt::format("$running{} << EOD\n", index);
        for (std::size_t i = 0; i < r.means.size(); ++i) {
            const double n = std::pow(2.0, static_cast<double>(i));
            data += fmt::format("{} {} {}\n", n, r.means[i],
                                theory::mean_inverse_capped(static_cast<double>(r.m), power, n));
        }
        data += "EOD\n";
        plot += fmt::format(
            "{}$running{} using 1:3 with lines lw 1.6 lc rgb '{}' notitle, $running{} using 1:2 with points pt {} ps "
            "0.75 lc rgb '{}' title '{} at m = {}'",
            plot.empty() ? "" : ", ", index, colours[index], index, points[index], colours[index],
            power == 1 ? "1/σ_B" : "1/σ_B^2", r.m);
        ++index;
    }
    if (plot.empty()) return "set multiplot next\n";
    return data +
           "set title 'No mean (lines: the mean of min(·, n))'\nset ylabel 'running mean'\nset xlabel 'batches n' "
           "offset 0,0.4\nset logscale x 10\n"
           "set logscale y\nset xtics auto\nset format x '10^{%L}'\nset xrange [1:*]\nset yrange [0.5:1000]\nset key "
           "top right\nplot " +
           plot + "\n";
}

std::string all_cells_panel(const Results& results) {
    std::string data = "$cells << EOD\n", failed = "$failed << EOD\n";
    for (const Cell& c : results.cells) {
        const double sign = c.method == Method::interval && c.measured < c.theory ? -1 : 1;
        (c.held ? data : failed) +=
            fmt::format("{} {}\n", static_cast<double>(c.m) * (1 + 0.012 * (static_cast<int>(c.row) - row_count / 2)),
                        sign * std::fmin(c.score(), 1.9));
    }
    return data + "EOD\n" + failed +
           fmt::format(
               "NaN NaN\nEOD\nset title 'Every cell, spread by row around its m'\nset ylabel 'deviation / limit'\nset "
               "yrange [-2:2]\nset key top right\n"
               "plot 1 with lines dt 2 lw 1.4 lc rgb '#555555' notitle, -1 with lines dt 2 lw 1.4 lc rgb '#555555' "
               "notitle, "
               "$cells using 1:2 with points pt 7 ps 0.35 lc rgb '{}' title 'held', $failed using 1:2 with points pt 2 "
               "ps 0.9 lw 1.6 lc rgb '{}' title 'failed'\n",
               colours[0], colours[1]);
}

}  // namespace

studies::Figure figure_of(const Results& results) {
    const std::int64_t last = std::ranges::max(results.ms), first = std::ranges::min(results.ms);
    std::string text =
        "set multiplot layout 4,3 title 'Small-batch noise: theory (lines) and measured through normlab (points, "
        "simultaneous 99.9 % intervals)' "
        "margins 0.07,0.985,0.045,0.945 spacing 0.08,0.07\n"
        "set grid back lt 1 lw 0.5 lc rgb '#dddddd'\nset border 3\nset xtics nomirror\nset ytics nomirror\nset title "
        "offset 0,-0.6\nset ylabel offset 0.6,0\n";
    std::size_t number = 0;
    const std::string axes = fmt::format(
        "set logscale x 2\nset format x '%g'\nset xlabel 'm' offset 0,0.4\nset xtics (2,4,8,16,32,64,128,256)\nset "
        "xrange [{}:{}]\n",
        0.8 * static_cast<double>(first), 1.25 * static_cast<double>(last));
    const std::string fresh =
        "unset logscale y\nset format y '%g'\nset yrange [*:*]\nset key default\nset key samplen 1 spacing 1.1 "
        "noautotitle\n";
    for (const Panel& p : panels()) {
        std::string plot;
        text += axes + fmt::format("{}set title '{}'\nset ylabel '{}'\n{}\n", fresh, p.title, p.y, p.settings);
        for (std::size_t i = 0; i < p.series.size(); ++i) text += draw_series(results, p.series[i], number, i, plot);
        text += "plot " + plot + "\n";
        ++number;
    }
    text += fresh + diverging_panel(results);
    text += axes + fresh + all_cells_panel(results);
    return {text + "unset multiplot\n", 1260, 1360};
}

}  // namespace normlab::noise

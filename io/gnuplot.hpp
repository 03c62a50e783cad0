// Figures, drawn by gnuplot.
#pragma once

#include <filesystem>
#include <string_view>

namespace normlab::io {

bool has_gnuplot();  ///< in PATH

/// Whether draw() made this file.
bool is_figure(const std::filesystem::path& path);

/// Throws InputError for an ending other than .svg or .png.
void check_picture_name(const std::filesystem::path& path);

/// Throws InputError now where draw(path, ...) would later: no gnuplot in PATH, an ending other than
/// .svg or .png, a file that may not be written.
void check_drawable(const std::filesystem::path& path);

/// Runs gnuplot on `script` (plot commands, data in here-documents; no `set terminal`, no `set output`)
/// and writes the figure, `width` x `height` points, whole or not at all. .svg or .png by the ending.
/// Throws InputError with gnuplot's own message.
void draw(const std::filesystem::path& path, std::string_view script, int width, int height);

}  // namespace normlab::io

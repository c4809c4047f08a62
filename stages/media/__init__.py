"""Reading and writing of video files: probing, lossless frame files, colour and chroma, the ffmpeg program."""

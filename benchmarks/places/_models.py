"""The tables: Region 1-n Place 1-n Note."""

from datetime import date

from sqlalchemy import ForeignKey, Index, String
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship


class Base(DeclarativeBase):
    """Models of this benchmark, apart from those of the atlas."""


class Region(Base):
    """Where places are."""

    __tablename__ = "regions"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(100))
    code: Mapped[str] = mapped_column(String(8))


class Place(Base):
    """One of very many; a score is shared by dozens."""

    __tablename__ = "places"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(100))
    region_id: Mapped[int] = mapped_column(ForeignKey(Region.id))
    score: Mapped[int] = mapped_column()
    rating: Mapped[float | None]
    opened_on: Mapped[date]
    remark: Mapped[str | None] = mapped_column(String(200))

    region: Mapped[Region] = relationship()
    notes: Mapped[list["Note"]] = relationship(order_by="Note.id")

    __table_args__ = (Index("places_by_score", score.desc(), "id"),)


class Note(Base):
    """What somebody wrote about a place."""

    __tablename__ = "notes"

    id: Mapped[int] = mapped_column(primary_key=True)
    place_id: Mapped[int] = mapped_column(ForeignKey(Place.id), index=True)
    text: Mapped[str] = mapped_column(String(200))
    stars: Mapped[int]

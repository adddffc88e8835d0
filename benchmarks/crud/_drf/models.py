"""The table `cities`, which Django finds there."""

# Django is not installed where types are checked, and where it is, it has none.
# pyright: reportMissingImports=false, reportUnknownVariableType=false
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUntypedBaseClass=false

from django.core.validators import MaxValueValidator, MinLengthValidator, MinValueValidator
from django.db import models


class City(models.Model):
    """A populated place."""

    id = models.AutoField(primary_key=True)
    name = models.CharField(max_length=200)
    country_code = models.CharField(max_length=2, validators=[MinLengthValidator(2)])
    admin1 = models.CharField(max_length=20, null=True)  # noqa: DJ001  (so is the column)
    population = models.PositiveIntegerField()
    latitude = models.FloatField(validators=[MinValueValidator(-90), MaxValueValidator(90)])
    longitude = models.FloatField(validators=[MinValueValidator(-180), MaxValueValidator(180)])
    timezone = models.CharField(max_length=40)

    class Meta:
        """Where it is."""

        managed = False
        db_table = "cities"

    def __str__(self) -> str:
        return str(self.name)
